"""Check a CSV and the files that it names: ``python scripts/check_data.py CSV --images FOLDER``."""

from gdinousam.commands.check_data import main

if __name__ == "__main__":
    main(program="python scripts/check_data.py")
