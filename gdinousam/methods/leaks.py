"""Whether the published weights of a compared method were trained on the datasets tested, as far as its authors say.

A score on such a dataset may be of images that the method has learned, so every table marks it. What their training
lists name is known, which images of a dataset were in them often is not. The lists stand with the methods.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gdinousam.data.sources.public.registry import find_dataset
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.mask_heads.random_sam import RANDOM
from gdinousam.records import ImageRecord


def leak_notes(method: str, weights: str, trained_on: Collection[str] | None, records: Sequence[ImageRecord]) -> Notes:
    """What tables must say of the published weights of a method on these records; nothing of random weights.

    method: as it is called in print. trained_on: names of datasets, in any letter case; ``None``: not checked.
    """
    if weights in (RANDOM, RANDOM_SMALL):
        return NO_NOTES
    if trained_on is None:
        return Notes((f"It was not checked which public datasets the published weights of {method} were trained on.",))
    note = (
        f"The published weights of {method} were trained on images of this dataset, perhaps on the ones tested here: "
        "the score is optimistic."
    )
    listed = {name.lower() for name in trained_on}
    datasets = dict.fromkeys(record.dataset for record in records)
    return Notes(of_datasets={one: note for one in datasets if _public_name(one).lower() in listed})


def _public_name(dataset: str) -> str:
    try:
        return find_dataset(dataset).facts.name
    except InputError:
        return dataset  # not one of the paper's
