"""Write results as one HTML page: ``python scripts/report.py RESULTS... --out report.html``."""

from gdinousam.commands.report import main

if __name__ == "__main__":
    main(program="python scripts/report.py")
