"""The order in which people number files: 2 before 10."""

from __future__ import annotations

import re
from pathlib import Path


def natural_key(path: Path | str) -> tuple[tuple[int, int | str], ...]:
    """A sort key under which ``2.png`` comes before ``10.png``; of a path only the name counts, in either case."""
    name = path.name if isinstance(path, Path) else path
    parts = re.findall(r"\d+|\D+", name.lower())
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts)
