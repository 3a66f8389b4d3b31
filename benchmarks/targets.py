"""Images with a target, for benchmarks of answers: phantoms, or images for validation of a folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import Record, add_output_options, record_path
from gdinousam.data.contract.layout import SPLIT_FOLDERS
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_record_image, union_mask
from gdinousam.data.sources.phantoms import FAMILIES, VARIED, make_phantom
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.statistics import unit_of
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.records import Image, ImageRecord, Mask

SEED = 5


@dataclass(frozen=True, eq=False)
class Case:
    """A target in an image. unit: what is resampled, see ``unit_of``."""

    image: Image
    target_hw: Mask
    phrase: str
    unit: tuple[str, str, str]


@dataclass(frozen=True)
class CaseRecord(Record):
    """What was measured on cases, whose field ``units`` names patients and so stays out of files."""

    def content(self) -> dict[str, Any]:
        """Everything but the names of patients."""
        content = super().content()
        del content["units"]
        return content


def asked(name: str, description: str, arguments: Sequence[str]) -> tuple[Path, list[Case], Segmenter]:
    """Parse the arguments of a benchmark of cases: where its record goes, the cases, and the model, loaded.

    Raises InputError for a record that is there already, and as ``cases_of`` and ``Segmenter.load`` do.
    """
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {name}", description=description, epilog="exit code: 0, or 2 where it cannot be measured"
    )
    parser.add_argument("--data", type=Path, metavar="DATA", help="folder with val.CSV, in place of phantoms")
    parser.add_argument("--images", type=int, default=60, metavar="N", help="cases (default: %(default)s)")
    parser.add_argument("--model", default="small", help="as for gdinousam predict (default: %(default)s)")
    add_output_options(parser, f"a folder {name} with the numbers as JSON and the table")
    options = parser.parse_args(arguments)
    path = record_path(options.out / name, name, options.overwrite)
    return path, cases_of(options.data, options.images), Segmenter.load(options.model)


def cases_of(folder: Path | None, number: int) -> list[Case]:
    """So many cases, of ``folder`` in the CSV layout its images for validation; ``None``: phantoms.

    Raises InputError for fewer than two, whose mean has no interval.
    """
    if number < 2:
        raise InputError(f"--images is {number}; give 2 or more")
    return list(_phantoms(number) if folder is None else _images(folder, number))


def _phantoms(number: int) -> Iterator[Case]:
    """Phantoms with a target, of each family in turn."""
    generator = np.random.default_rng(SEED)
    look = replace(VARIED, empty=0.0)
    for place in range(number):
        phantom = make_phantom(generator, look, FAMILIES[place % len(FAMILIES)])
        phrase = phantom.instances[0][0]
        target_hw = np.logical_or.reduce([mask_hw for name, mask_hw in phantom.instances if name == phrase])
        yield Case(phantom.image, target_hw, phrase, unit_of("phantoms", None, str(place)))


def _images(folder: Path, number: int) -> Iterator[Case]:
    """Images for validation, of each dataset about equally many, each with its first phrase."""
    images, masks = (folder / name for name in SPLIT_FOLDERS["val"])
    records = read_records(folder / "val.CSV", images, masks)
    of_dataset: dict[str, list[ImageRecord]] = {}
    for place in np.random.default_rng(SEED).permutation(len(records)):
        if records[place].instances:
            of_dataset.setdefault(records[place].dataset, []).append(records[place])
    in_turn = [of_one[turn] for turn in range(number) for of_one in of_dataset.values() if turn < len(of_one)]
    for record in in_turn[:number]:
        phrase = record.instances[0].phrase
        target_hw = union_mask([one for one in record.instances if one.phrase == phrase], (record.height, record.width))
        unit = unit_of(record.dataset, record.group, record.path.name)
        yield Case(read_record_image(record), target_hw, phrase, unit)
