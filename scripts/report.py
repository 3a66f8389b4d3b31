"""Write results as one HTML page: ``python scripts/report.py RESULTS... --out report.html``."""

from gdinousam.command_line.report import main

if __name__ == "__main__":
    main()
