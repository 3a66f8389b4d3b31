"""``python scripts/benchmark.py colour``: Dice without colour Doppler, with it, and with its brightness only."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.colour.flow import with_flow
from benchmarks.machine import machine_facts, versions
from benchmarks.record import Record, add_output_options, command_text, publish, record_path
from gdinousam.data.contract.layout import SPLIT_FOLDERS
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_record_image, union_mask
from gdinousam.data.sources.phantoms import FAMILIES, VARIED, make_phantom
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.statistics import bootstrap_interval, unit_of
from gdinousam.evaluation.reporting.table import (
    Table,
    count_cell,
    interval_cell,
    number_cell,
    number_columns,
    text_cell,
    text_column,
)
from gdinousam.evaluation.scoring.metrics import dice
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.prediction.views import ViewSettings
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Image, ImageRecord, Mask

NAME = "colour"
SEED = 5
KEEP, GREY = ViewSettings(colour="keep"), ViewSettings(colour="grey")


@dataclass(frozen=True, eq=False)
class Case:
    """A target in an image. unit: what is resampled, see ``unit_of``."""

    image: Image
    target_hw: Mask
    phrase: str
    unit: tuple[str, str, str]


@dataclass(frozen=True)
class ColourScores(Record):
    """Dice of each case, in [0, 1]: of the image, with flow in colour, and with flow as grey."""

    plain: list[float]
    kept: list[float]
    grey: list[float]
    units: list[tuple[str, str, str]]

    def content(self) -> dict[str, Any]:
        """Everything but the names of patients."""
        content = super().content()
        del content["units"]
        return content


def colour_command(arguments: Sequence[str]) -> int:
    """Parse arguments, segment every case in three ways and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {NAME}",
        description="Draw colour Doppler round the target of each image and segment the image without it, with it in "
        "colour, and with its brightness only. About a second per image on one core with the small model.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument("--data", type=Path, metavar="DATA", help="folder with val.CSV, in place of phantoms")
    parser.add_argument("--images", type=int, default=60, metavar="N", help="cases (default: %(default)s)")
    parser.add_argument("--model", default="small", help="as for gdinousam predict (default: %(default)s)")
    add_output_options(parser, f"a folder {NAME} with the numbers as JSON and the table")
    options = parser.parse_args(arguments)
    path = record_path(options.out / NAME, NAME, options.overwrite)
    if options.images < 2:
        raise InputError(f"--images is {options.images}; give 2 or more")
    cases = list(_phantoms(options.images) if options.data is None else _images(options.data, options.images))
    segmenter = Segmenter.load(options.model)
    scores: list[tuple[float, float, float]] = []
    generator = np.random.default_rng(SEED)
    for case in ProgressBar(len(cases), "segmenting").over(cases):
        flow = with_flow(case.image, case.target_hw, generator)
        shown = ((case.image, KEEP), (flow, KEEP), (flow, GREY))
        plain, kept, grey = (_dice(segmenter.showing(views), image, case) for image, views in shown)
        scores.append((plain, kept, grey))
    plain_all, kept_all, grey_all = (list(column) for column in zip(*scores, strict=True))
    units = [case.unit for case in cases]
    facts = machine_facts(torch.device("cpu"))
    record = ColourScores(command_text(NAME, arguments), facts, versions(), plain_all, kept_all, grey_all, units)
    publish(record, {NAME: colour_table(record)}, path)
    return 0


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


def _dice(segmenter: Segmenter, image: Image, case: Case) -> float:
    found_hw = np.zeros_like(case.target_hw)
    for one in segmenter.predict(image, case.phrase).detections:
        if one.mask_hw is not None:
            found_hw |= one.mask_hw
    return dice(found_hw, case.target_hw)


def colour_table(scores: ColourScores) -> Table:
    """A line for each way to show the image, and the gain of grey over colour."""
    gain = [grey - kept for grey, kept in zip(scores.grey, scores.kept, strict=True)]
    rows = {
        "without Doppler": scores.plain,
        "Doppler in colour": scores.kept,
        "Doppler as grey": scores.grey,
        "grey minus colour": gain,
    }
    lines = []
    for name, values in rows.items():
        interval = bootstrap_interval([100 * value for value in values], scores.units)
        cells = number_cell(interval.mean, 1), interval_cell(interval.low, interval.high, 1)
        lines.append((text_cell(name), count_cell(len(values)), *cells))
    columns = (text_column("shown to the model"), *number_columns("n", "Dice", "95 % interval"))
    return Table("Colour Doppler drawn round the target", columns, tuple(lines))
