"""What comes with the package beside code: the small model, in ``small/``."""

from pathlib import Path

ASSETS = Path(__file__).parent
