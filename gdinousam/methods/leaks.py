"""Which datasets the published weights of the compared methods were trained on, as far as their authors say.

A score on such a dataset may be of images that the method has learned, so every table marks it. What their training
lists name is known, which images of a dataset were in them often is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from gdinousam.data.sources.public.registry import find_dataset
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.notes import Notes

# US30K, the training set of SAMUS (Lin and others, 2023), of which DDTI, UDIAT (BUSB) and HMC-QU are for testing only;
# US-43d, the training set of UltraSam (Meyer and others, 2024). Beside the paper's datasets the widely used ones.
TRAINED_ON: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "SAMUS": ("BUSI", "TN3K", "TG3K", "CAMUS"),
        "UltraSam": (
            "BrEaST",
            "BUID",
            "BUSUC",
            "BUSUCLM",
            "BUSB",
            "BUSI",
            "STU",
            "S1",
            "BUSBRA",
            "TN3K",
            "TG3K",
            "TNSCUI",
            "105US",
            "AUL",
            "MicroSeg",
            "RegPro",
            "kidneyUS",
            "HC18",
            "MMOTU",
            "DDTI",
            "CAMUS",
        ),
    }
)
# Whose training data could not be held against these datasets.
UNCHECKED = ("MedSAM", "UniverSeg")


def leak_notes(method: str, datasets: Iterable[str]) -> Notes:
    """What tables must say of the published weights of a method on these datasets.

    method: as in ``TRAINED_ON`` or ``UNCHECKED``. datasets: names as in the CSV, in any letter case.
    """
    if method in UNCHECKED:
        return Notes((f"It was not checked which public datasets the published weights of {method} were trained on.",))
    note = (
        f"The published weights of {method} were trained on images of this dataset, perhaps on the ones tested here: "
        "the score is optimistic."
    )
    listed = {name.lower() for name in TRAINED_ON[method]}
    return Notes(of_datasets={one: note for one in datasets if _public_name(one).lower() in listed})


def _public_name(dataset: str) -> str:
    try:
        return find_dataset(dataset).facts.name
    except InputError:
        return dataset  # not one of the paper's
