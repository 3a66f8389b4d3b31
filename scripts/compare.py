"""Methods side by side: ``python scripts/compare.py RESULTS... --table 3``, the paper's tables 3 and 4."""

from gdinousam.commands.compare import main

if __name__ == "__main__":
    main(program="python scripts/compare.py")
