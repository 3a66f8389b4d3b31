"""Sum up evaluations, one line each: ``python scripts/overview.py RESULTS...``."""

from gdinousam.command_line.overview import main

if __name__ == "__main__":
    main()
