"""Fetch pretrained weights by name: ``python scripts/download_weights.py paper``; ``--list`` shows the names."""

from gdinousam.commands.download_weights import main

if __name__ == "__main__":
    main(program="python scripts/download_weights.py")
