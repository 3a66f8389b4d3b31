"""Which phrases an image is asked for: one that it shows and others that name another organ."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gdinousam.data.contract.reading import read_records
from gdinousam.errors import InputError
from gdinousam.identity import phrase_identity
from gdinousam.records import ImageRecord
from gdinousam.runtime import derived_seed

# The phrases of the public images and phantoms in use here, and of a few more organs that the bundled model never saw.
ORGANS = {
    "breast": ("benign breast lesion", "malignant breast lesion", "breast tumor"),
    "ovary": (
        "normal ovary",
        "ovarian teratoma",
        "simple ovarian cyst",
        "chocolate cyst of the ovary",
        "serous cystadenoma of the ovary",
        "mucinous cystadenoma of the ovary",
        "theca cell tumor of the ovary",
        "high grade serous carcinoma of the ovary",
    ),
    "fetus": ("fetal head",),
    "liver": ("benign liver lesion", "malignant liver lesion"),
    "thyroid": ("thyroid nodule",),
    "kidney": ("kidney capsule", "kidney cortex", "kidney central echo complex"),
    "prostate": ("prostate",),
    "muscle": ("multifidus muscle",),
    "heart": ("left ventricle", "left ventricular myocardium", "left atrium"),
    "neck": ("carotid artery", "lymph node"),
    "abdomen": ("gallbladder", "spleen", "pancreas"),
}
# Of phantoms of the breast. They name no organ, so that nobody can say that they are absent elsewhere.
_OF_ANY_ORGAN = ("cyst", "benign lesion", "malignant lesion", "bright lesion")
_ORGAN_OF = {phrase: organ for organ, phrases in ORGANS.items() for phrase in phrases}
_ORGAN_OF |= dict.fromkeys(_OF_ANY_ORGAN, "breast")
MAX_PHRASES = 1 + sum(map(len, ORGANS.values())) - max(map(len, ORGANS.values()))


def spread(csv_path: Path, images: Path, masks: Path, max_images: int | None) -> list[ImageRecord]:
    """Records with a target, evenly spread over those of the file; ``None``: all of them. InputError where none has."""
    records = [record for record in read_records(csv_path, images, masks) if record.instances]
    if not records:
        raise InputError(f"{csv_path}: no image with a target; name another folder")
    count = len(records) if max_images is None else min(max_images, len(records))
    return [records[place * len(records) // count] for place in range(count)]


def questions(records: Sequence[ImageRecord], num_phrases: int, seed: int = 0) -> list[ImageRecord]:
    """The records with other phrases to ask: one of those that the image shows, drawn, and ``num_phrases`` - 1 of other
    organs, in random order; without the objects of its other phrases.

    Images without objects are left out. num_phrases: at most ``MAX_PHRASES``. With 1 there are two records for an
    image, one with the phrase that it shows and one with a phrase of another organ. What is drawn depends on the name
    of the image and the seed alone. Raises InputError for a phrase whose organ is not known.
    """
    asked = []
    for record in records:
        if not record.instances:
            continue
        chooser = random.Random(derived_seed("captions", seed, record.path.name))
        present = chooser.choice(list(dict.fromkeys(one.phrase for one in record.instances)))
        organ = _organ(present)
        absent = [phrase for other, phrases in ORGANS.items() if other != organ for phrase in phrases]
        chooser.shuffle(absent)
        if num_phrases == 1:
            asked += [_asked(record, [present], []), _asked(record, [], absent[:1])]
            continue
        phrases = [present, *absent[: num_phrases - 1]]
        chooser.shuffle(phrases)
        asked.append(_asked(record, phrases, absent[: num_phrases - 1]))
    return asked


def _organ(phrase: str) -> str:
    organ = _ORGAN_OF.get(phrase_identity(phrase))
    if organ is None:
        raise InputError(f"of which organ {phrase!r} is, benchmarks/captions/questions.py does not say; add it there")
    return organ


def _asked(record: ImageRecord, phrases: Sequence[str], absent: Sequence[str]) -> ImageRecord:
    all_phrases = tuple(dict.fromkeys([*phrases, *absent]))
    return replace(
        record,
        instances=tuple(one for one in record.instances if one.phrase in phrases),
        absent_phrases=tuple(absent),
        phrases=all_phrases,
        last_phrase=all_phrases[-1],
    )
