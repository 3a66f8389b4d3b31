"""What other programs call the three splits."""

from __future__ import annotations

from gdinousam.data.contract.layout import Split

NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def split_named(name: str | None) -> Split | None:
    """The split of this name, in any letter case; ``None`` for any other name and for none."""
    return NAMES.get((name or "").strip().lower())
