"""Segment single images: ``python scripts/predict.py IMAGE... --prompt "benign tumor"``."""

from gdinousam.commands.predict import main

if __name__ == "__main__":
    main(program="python scripts/predict.py")
