"""Compare our models with the official code: ``python scripts/parity.py``, the table of largest differences."""

from gdinousam.commands.parity import main

if __name__ == "__main__":
    main()
