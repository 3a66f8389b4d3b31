"""Seconds per image: ``python scripts/benchmark.py --table 6 --config …``, the paper's table 6, and more."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if not (CHECKOUT / "benchmarks").is_dir():
    print(f"error: {CHECKOUT} has no folder benchmarks, which is not installed; use a checkout", file=sys.stderr)
    sys.exit(2)
if str(CHECKOUT) not in sys.path:
    sys.path.insert(0, str(CHECKOUT))

from benchmarks.command import main  # noqa: E402

if __name__ == "__main__":
    main()
