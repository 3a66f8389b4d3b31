"""How much a few training images give: LoRA tuning and a U-Net from scratch on the same images, size by size.

Every run is a training and an evaluation as train.py and test.py make them, each with its folder. The images of a seed
are drawn once for both methods, and those of a smaller size lie within those of a larger one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdinousam.data.contract.reading import IMAGE_NAME, find_csv, read_table, write_table
from gdinousam.data.splits.nested import drawn_units
from gdinousam.errors import InputError
from gdinousam.evaluation.figures.curves import read_run
from gdinousam.evaluation.figures.learning_curve import learning_curve_figure
from gdinousam.evaluation.figures.saving import COLUMN_WIDTH, figure_style, save_figure
from gdinousam.evaluation.reporting.learning_curve import CurveRun, LearningCurve, curve_tables
from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
from gdinousam.evaluation.scoring.origin import changed_settings
from gdinousam.evaluation.scoring.results import read_results
from gdinousam.experiments.config import AnyTrainConfig, TestConfig, dump_config, load_config
from gdinousam.experiments.evaluate import build_method, evaluate_method, read_test_records
from gdinousam.experiments.studies.curve_config import (
    LearningCurveConfig,
    detector_test,
    pool_config,
    tuning_config,
    unet_config,
    unet_test,
)
from gdinousam.experiments.studies.folders import is_begun, is_finished, study_folder
from gdinousam.experiments.train import train_or_go_on
from gdinousam.folders import CONFIG_COPY
from gdinousam.processes import ALONE
from gdinousam.records import ImageRecord
from gdinousam.settings import TRUE_BOX
from gdinousam.training.checkpoints import LAST
from gdinousam.training.images import read_training_images
from gdinousam.yaml_files import parse_yaml

logger = logging.getLogger(__name__)

STEM = "learning_curve"
ZERO_SHOT, TRUE_BOXES, TUNED, U_NET = "zero-shot", "true box", "LoRA", "U-Net"
# A training that is gone on with may differ in these: they change nothing of the weights.
_FREE_KEYS = ("data.num_workers", "data.allow_odd", "training.log_every", "training.output_dir")


@dataclass(frozen=True)
class _Part:
    """The training images of a seed and a size. csv: of their rows, in the folder of the curve."""

    seed: int
    num_units: int
    images: tuple[ImageRecord, ...]
    csv: Path


@dataclass(frozen=True)
class _Planned:
    """A run before it is run."""

    method: str
    part: _Part
    training: AnyTrainConfig
    test: TestConfig

    def __str__(self) -> str:
        return f"{self.method} on {len(self.part.images)} images, seed {self.part.seed}"


def run_learning_curve(config: LearningCurveConfig, overwrite: bool = False, resume: bool = False) -> str | None:
    """Train and evaluate everything, and write tables and figure as ``learning_curve*``; returns the tables as text.

    ``None`` where Ctrl-C came during a training, which is saved. resume: keep what is finished and go on with the rest.
    overwrite: replace an earlier curve. Raises InputError, before anything is trained, for data with problems, sizes
    beyond the data, weights that do not load, a folder in use, and a curve there that was begun with other settings.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError("a learning curve runs in one process; start it without torchrun or accelerate launch")
    config = config.resolved()
    pool, folder = read_training_images(pool_config(config)).train, config.curve.output_dir
    unit, parts = _parts(config, pool)
    planned = [run for part in parts for run in _runs_on(config, part)]
    references = {
        ZERO_SHOT: detector_test(config, ZERO_SHOT, folder / "zero_shot"),
        TRUE_BOXES: detector_test(config, TRUE_BOXES, folder / "true_box", detector=TRUE_BOX),
    }
    tests = [*references.values(), *(run.test for run in planned)]
    records = read_test_records(references[ZERO_SHOT].data, ALONE, config.curve, config.tuned.phrase_book)
    build_method(references[ZERO_SHOT], records)  # weights that do not load must not wait for the others
    if resume:
        _require_same(planned)
    finished = [resume and is_finished(test, records) for test in tests]
    if resume:
        logger.info("%d of %d evaluations are finished already", sum(finished), len(tests))
    with study_folder(folder, "curve.output_dir", dump_config(config), overwrite, resume, ALONE):
        for part in parts:
            _write_part(config, part)
        for test, is_done in zip(references.values(), finished, strict=False):
            if not is_done:
                _evaluate(test, records)
        for number, (run, is_done) in enumerate(zip(planned, finished[len(references) :], strict=True), start=1):
            if is_done:
                continue
            logger.info("run %d of %d: %s", number, len(planned), run)
            if train_or_go_on(run.training).end == "interrupted":
                return None
            _evaluate(run.test, records)
        results = {name: read_results(test.evaluation.output_dir) for name, test in references.items()}
        return _write(config, LearningCurve(unit, results, [_result(run) for run in planned]))


def _parts(config: LearningCurveConfig, pool: Sequence[ImageRecord]) -> tuple[str, list[_Part]]:
    """What is counted, and the training images of every seed from the smallest size to the largest."""
    curve = config.curve
    unit = curve.count if any(record.group is not None for record in pool) else "images"
    parts = []
    for seed in curve.seeds:
        units = drawn_units(pool, unit == "groups", seed)
        sizes = [len(units) if size == "all" else size for size in curve.sizes]
        for size, number in zip(curve.sizes, sizes, strict=True):
            if number > len(units) or sizes.count(number) > 1:
                remedy = "lower it, or set curve.count to images" if unit == "groups" else "lower it"
                raise InputError(f"curve.sizes: {size} of {len(units)} training {unit}; {remedy}")
            images = tuple(record for of_unit in units[:number] for record in of_unit)
            csv = curve.output_dir / "images" / f"seed_{seed}_{number}.CSV"
            parts.append(_Part(seed, number, images, csv))
    return unit, parts


def _runs_on(config: LearningCurveConfig, part: _Part) -> list[_Planned]:
    """The tuning and the U-Net on the same images."""
    runs = []
    for method in (TUNED, U_NET):
        folder = config.curve.output_dir / method.lower().replace("-", "") / f"seed_{part.seed}_{part.num_units}"
        name, weights = f"{method} ({part.num_units}, seed {part.seed})", folder / "training" / LAST
        of_run = (config, part.csv, folder / "training", len(part.images), part.seed)
        if method == TUNED:
            test = detector_test(config, name, folder / "results", adapter=weights)
            runs.append(_Planned(method, part, tuning_config(*of_run), test))
        else:
            test = unet_test(config, name, folder / "results", weights)
            runs.append(_Planned(method, part, unet_config(*of_run), test))
    return runs


def _require_same(planned: Sequence[_Planned]) -> None:
    """Raise InputError where a training was begun with other settings or images than it would be now."""
    for run in planned:
        folder = run.training.training.output_dir
        if not (folder / CONFIG_COPY).is_file():
            continue
        changed = changed_settings(_begun_with(run), dump_config(run.training), _FREE_KEYS)
        if changed:
            raise InputError(
                f"{folder}: the training there was begun with something else ({', '.join(changed)}); undo the change, "
                "or start the curve again with --overwrite"
            )


def _begun_with(run: _Planned) -> Any:
    """The settings of a training that was begun, with the defaults of settings that it does not know yet."""
    try:
        earlier = load_config(type(run.training), run.training.training.output_dir / CONFIG_COPY)
    except InputError:
        return None
    return parse_yaml(dump_config(earlier), CONFIG_COPY)


def _write_part(config: LearningCurveConfig, part: _Part) -> None:
    """Write the rows of the images, all columns as in the file; or see that they are there.

    Raises InputError where others are there.
    """
    data = pool_config(config).data
    assert data.train_ann is not None and data.train_dir is not None  # the layout names both
    table, chosen = read_table(find_csv(data.train_ann)), {record.path for record in part.images}
    table = table[[data.train_dir / name in chosen for name in table[IMAGE_NAME]]]
    if not part.csv.is_file():
        write_table(table, part.csv)
    elif read_table(part.csv).values.tolist() != table.values.tolist():
        raise InputError(
            f"{part.csv}: the training file was changed since the curve was begun; undo the change, or start the curve "
            "again with --overwrite"
        )


def _evaluate(test: TestConfig, records: Sequence[ImageRecord]) -> None:
    logger.info("evaluating %s", test.evaluation.method)
    evaluate_method(test, build_method(test, records), records, ALONE, resume=is_begun(test))


def _result(run: _Planned) -> CurveRun:
    measured = read_run(run.training.training.output_dir).columns
    return CurveRun(
        method=run.method,
        num_units=run.part.num_units,
        num_images=len(run.part.images),
        seed=run.part.seed,
        num_steps=int(measured["step"][-1]),
        seconds=sum(measured["seconds"]),
        results=read_results(run.test.evaluation.output_dir),
    )


def _write(config: LearningCurveConfig, curve: LearningCurve) -> str:
    folder, tuned = config.curve.output_dir, config.tuned
    batch = tuned.data.batch_size * tuned.training.accumulation_steps
    budget = (
        f"Every run has {config.curve.num_steps} optimizer steps of at most {batch} images, and those that fill its "
        "last epoch, whatever its size and method; its last weights are scored, and no epoch was chosen on validation "
        "or test images."
    )
    tables = curve_tables(curve, [budget])
    write_table_files(tables, folder, STEM)
    with figure_style():
        save_figure(learning_curve_figure(curve, COLUMN_WIDTH), folder, STEM)
    return "\n".join(map(as_plain, tables.values()))
