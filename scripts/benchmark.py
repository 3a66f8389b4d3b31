"""Seconds per image: ``python scripts/benchmark.py --table 6 --config …``, the paper's table 6."""

from gdinousam.commands.benchmark import main

if __name__ == "__main__":
    main()
