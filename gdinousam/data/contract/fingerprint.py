"""What a run says about its data: hash of the CSV, counts, sizes. It is stored beside every result."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gdinousam.data.contract.reading import find_csv
from gdinousam.records import ImageRecord

BOX_AREA_PERCENTS = (5, 25, 50, 75, 95)


def fingerprint(records: Sequence[ImageRecord], csv_path: str | Path) -> dict[str, Any]:
    """Describe the data of a run in values that JSON holds.

    records: the images as read from ``csv_path``. Returns ``csv_sha256``; ``num_images``, ``num_instances`` and
    ``num_absent`` (pairs of image and absent phrase); ``datasets`` and ``phrases``: for each name its number of
    ``images`` and ``instances``, a phrase's images including those it is absent from; ``width_range`` and
    ``height_range``: smallest and largest in pixels, ``None`` without images; ``box_area_fraction``: quantiles of box
    area over image area by percent, empty without boxes. Raises ``InputError`` where the CSV is missing.
    """
    return {
        "csv_sha256": hashlib.sha256(find_csv(csv_path).read_bytes()).hexdigest(),
        "num_images": len(records),
        "num_instances": sum(len(record.instances) for record in records),
        "num_absent": sum(len(record.absent_phrases) for record in records),
        "datasets": _counts(
            (record.dataset for record in records),
            (record.dataset for record in records for _ in record.instances),
        ),
        "phrases": _counts(
            (phrase for record in records for phrase in record.phrases),
            (instance.phrase for record in records for instance in record.instances),
        ),
        "width_range": _range([record.width for record in records]),
        "height_range": _range([record.height for record in records]),
        "box_area_fraction": _box_area_quantiles(records),
    }


def _counts(name_per_image: Iterable[str], name_per_instance: Iterable[str]) -> dict[str, dict[str, int]]:
    images, instances = Counter(name_per_image), Counter(name_per_instance)
    return {name: {"images": images[name], "instances": instances[name]} for name in sorted(images | instances)}


def _range(sizes: Sequence[int]) -> list[int] | None:
    return [min(sizes), max(sizes)] if sizes else None


def _box_area_quantiles(records: Sequence[ImageRecord]) -> dict[str, float]:
    fractions = [
        instance.box_xywh[2] * instance.box_xywh[3] / (record.width * record.height)
        for record in records
        for instance in record.instances
    ]
    if not fractions:
        return {}
    quantiles = np.percentile(fractions, BOX_AREA_PERCENTS)
    return {str(percent): float(quantile) for percent, quantile in zip(BOX_AREA_PERCENTS, quantiles, strict=True)}
