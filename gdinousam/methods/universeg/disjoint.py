"""Refusing examples that are tested too: UniverSeg copies what it is shown, so its score would be of no worth."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gdinousam.data.audit.lookalikes import lookalikes
from gdinousam.data.audit.pictures import read_pictures
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord

_IMAGES_SHOWN = 5

logger = logging.getLogger(__name__)


def check_disjoint(support_records: Sequence[ImageRecord], test_records: Sequence[ImageRecord]) -> None:
    """Raise InputError where examples and test share anything; the message names the first few examples and why.

    support_records: all examples of all draws, repeats allowed. They share an image where dataset and file name are the
    same, or where the pictures look alike as in ``gdinousam.data.audit.lookalikes``, across datasets too; and
    they share a patient, volume or exam where dataset and group are the same. Images without a group share none.
    Every picture is read once; InputError also for one that is missing or unreadable.
    """
    support = list({(record.dataset, record.path): record for record in support_records}.values())
    reasons = _shared(support, test_records)
    if reasons:
        places = sorted(reasons)
        shown = ", ".join(f"{support[place].path.name} ({reasons[place]})" for place in places[:_IMAGES_SHOWN])
        raise InputError(
            f"{len(places)} of {len(support)} support images are not independent of the test: {shown}"
            f"{', ...' * (len(places) > _IMAGES_SHOWN)}; set skip_tested to draw around them, or name other images"
        )


def without_tested(records: Sequence[ImageRecord], test_records: Sequence[ImageRecord]) -> tuple[ImageRecord, ...]:
    """The records, in their order, that share nothing with the test in the sense of ``check_disjoint``.

    How many are left out is logged. Raises InputError for a picture that is missing or unreadable.
    """
    shared = _shared(records, test_records)
    logger.info(
        "%d of %d images are not independent of the test, so no examples are drawn from them", len(shared), len(records)
    )
    return tuple(record for place, record in enumerate(records) if place not in shared)


def _shared(support: Sequence[ImageRecord], test: Sequence[ImageRecord]) -> dict[int, str]:
    """Why an example may not be shown, by its place; where there are several reasons, the plainest."""
    return _look_alike(support, test) | _same_group(support, test) | _same_name(support, test)


def _same_name(support: Sequence[ImageRecord], test: Sequence[ImageRecord]) -> dict[int, str]:
    tested = {(record.dataset, record.path.name) for record in test}
    return {
        place: f"same name in {record.dataset}"
        for place, record in enumerate(support)
        if (record.dataset, record.path.name) in tested
    }


def _same_group(support: Sequence[ImageRecord], test: Sequence[ImageRecord]) -> dict[int, str]:
    tested = {(record.dataset, record.group) for record in test if record.group is not None}
    return {
        place: f"same group {record.group} in {record.dataset}"
        for place, record in enumerate(support)
        if (record.dataset, record.group) in tested
    }


def _look_alike(support: Sequence[ImageRecord], test: Sequence[ImageRecord]) -> dict[int, str]:
    pictures = read_pictures([record.path for record in (*support, *test)])
    alike = lookalikes(pictures[: len(support)], pictures[len(support) :])
    return {place: f"looks like {test[other].path.name}" for place, other in alike.items()}
