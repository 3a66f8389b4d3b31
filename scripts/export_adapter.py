"""Write a tuned detector with its adapter merged: ``python scripts/export_adapter.py ADAPTER OUT``."""

from gdinousam.commands.export_adapter import main

if __name__ == "__main__":
    main(program="python scripts/export_adapter.py")
