"""Parts of a training set that grow: of one seed, the smaller part lies within the larger."""

from __future__ import annotations

from collections.abc import Sequence

from gdinousam.data.splits.plan import drawn_place
from gdinousam.records import ImageRecord


def drawn_units(records: Sequence[ImageRecord], by_group: bool, seed: int) -> list[tuple[ImageRecord, ...]]:
    """The images of each unit, the units in an order that the seed draws; so many of the first are one part.

    by_group: a unit is a patient, volume or exam, and an image without one is a unit of its own. Otherwise each image
    is. The order depends on names and seed alone, not on the order of the records; within a unit that stays.
    """
    units: dict[str, list[ImageRecord]] = {}
    for record in records:
        is_grouped = by_group and record.group is not None
        name = f"group {record.group}" if is_grouped else f"image {record.path.name}"
        units.setdefault(f"{record.dataset} {name}", []).append(record)
    return [tuple(units[unit]) for unit in sorted(units, key=lambda unit: drawn_place(unit, str(seed)))]
