"""Segment single images: ``python scripts/predict.py IMAGE... --prompt "benign tumor"``."""

from gdinousam.command_line.predict import main

if __name__ == "__main__":
    main()
