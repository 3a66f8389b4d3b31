"""Sum up evaluations, one line each: ``python scripts/overview.py RESULTS...``."""

from gdinousam.commands.overview import main

if __name__ == "__main__":
    main(program="python scripts/overview.py")
