"""What each part of the pipeline gives, as table 2 of the paper: five columns, each an evaluation of its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
from gdinousam.evaluation.reporting.tables import PROTOCOLS
from gdinousam.evaluation.scoring.methods import Method
from gdinousam.evaluation.scoring.results import Results, read_results
from gdinousam.experiments.config import (
    EvaluationSettings,
    ModelSettings,
    RunSettings,
    TestConfig,
    TestData,
    dump_config,
)
from gdinousam.experiments.evaluate import build_method, evaluate_method, read_test_records
from gdinousam.experiments.studies.folders import is_begun, is_finished, study_folder
from gdinousam.methods.config import TRAINED_BOX_LAYER
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.detector.public_rule import PublicRuleSettings
from gdinousam.phrase_book import PHRASE_BOOK
from gdinousam.preprocessing import ResizeSettings
from gdinousam.processes import Processes, joined_processes
from gdinousam.records import ImageRecord
from gdinousam.runtime import torch_seed
from gdinousam.settings import TRUE_BOX, WHOLE_IMAGE, ModelName, Settings, SettingsPath, derive

logger = logging.getLogger(__name__)

Column = Literal["untuned", "tuned_medsam", "tuned", "true_box", "whole_image"]
# Those that the paper has are called as in its table 2, which the paper's numbers are found by.
NAMES: dict[Column, str] = {
    "untuned": "GroundingDINO+SAM2",
    "tuned_medsam": "fine-tuned GroundingDINO+MedSAM",
    "tuned": "fine-tuned GroundingDINO+SAM2",
    "true_box": "true box+SAM2",
    "whole_image": "whole-image box+SAM2",
}
TABLE = "table2"


class AblationModels(Settings):
    """The weights of all columns: a local folder or file, a hub id, or random-small."""

    detector: ModelName = Field(description="Grounding DINO before tuning.")
    adapter: SettingsPath | None = Field(None, description="LoRA folder of the tuned detector.")
    trained_box_layer: bool = TRAINED_BOX_LAYER
    tuned_detector: ModelName | None = Field(
        None, description="The tuned detector, if it was tuned in full; replaces adapter."
    )
    mask_head: ModelName = Field(description="SAM2, the mask head of all columns except tuned_medsam.")
    medsam: ModelName | None = Field(None, description="MedSAM; needed for the column tuned_medsam.")


class AblationSettings(RunSettings):
    """What the ablation writes, and how its columns are run."""

    output_dir: SettingsPath = Field(description="Folder of the results, with one folder per column.")
    num_pictures: int = Field(0, ge=0, description="Number of images drawn per column.")
    columns: tuple[Column, ...] = Field(tuple(NAMES), min_length=1, description="Columns to evaluate, in this order.")


class AblationConfig(Settings):
    """Everything scripts/ablation.py needs."""

    data: TestData
    resize: ResizeSettings | None = Field(None, description="null: as each detector was trained.")
    model: AblationModels
    prediction: PredictionSettings = PredictionSettings()
    public_rule: PublicRuleSettings = PublicRuleSettings()
    phrase_book: SettingsPath | None = Field(None, description=PHRASE_BOOK)
    ablation: AblationSettings

    @model_validator(mode="after")
    def _columns_have_weights(self) -> AblationConfig:
        columns, model = self.ablation.columns, self.model
        if len(set(columns)) < len(columns):
            raise ValueError("a column stands twice in ablation.columns")
        if {"tuned", "tuned_medsam"} & set(columns) and (model.adapter is None) == (model.tuned_detector is None):
            raise ValueError("name what tuned the detector, either model.adapter or model.tuned_detector")
        if "tuned_medsam" in columns and model.medsam is None:
            raise ValueError("name model.medsam, or leave tuned_medsam out of ablation.columns")
        return self


def column_config(config: AblationConfig, column: Column) -> TestConfig:
    """The column as test.py would evaluate it, in a folder of its own."""
    model, settings = config.model, config.ablation
    tuned = model.tuned_detector or model.detector
    detectors = {"untuned": model.detector, "true_box": TRUE_BOX, "whole_image": WHOLE_IMAGE}
    detector = detectors.get(column, tuned)
    mask_head = model.medsam if column == "tuned_medsam" else model.mask_head
    assert mask_head is not None  # the config has refused this column without it
    return derive(
        TestConfig,
        config,
        model=derive(
            ModelSettings,
            model,
            detector=detector,
            adapter=None if column in detectors else model.adapter,
            mask_head=mask_head,
        ),
        evaluation=derive(EvaluationSettings, settings, output_dir=settings.output_dir / column, method=NAMES[column]),
    )


def run_ablation(config: AblationConfig, overwrite: bool = False, resume: bool = False) -> str:
    """Evaluate every column, compare them and write ``table2_<protocol>``; returns the tables as text.

    Of several processes each scores a share; all but the first return an empty text.
    resume: keep the columns that are finished and go on with the others. overwrite: replace an earlier ablation.
    Raises InputError, before anything is evaluated, for data with problems, weights that do not load, a folder in use,
    and columns there that were evaluated with other settings.
    """
    columns = [column_config(config, column).resolved() for column in config.ablation.columns]
    with joined_processes() as processes:
        records = read_test_records(config.data, processes, config.ablation, config.phrase_book)
        waiting = processes.from_first(_unfinished(columns, records) if resume and processes.is_first else columns)
        for column in waiting:
            _build(column, records)  # wrong weights of the last column must not wait for the others
        folder, text = config.ablation.output_dir, dump_config(config)
        with study_folder(folder, "ablation.output_dir", text, overwrite, resume, processes):
            for number, column in enumerate(waiting, start=1):
                logger.info("column %d of %d: %s", number, len(waiting), column.evaluation.method)
                _evaluate(column, records, processes, resume)
            if not processes.is_first:
                return ""
            return _write_tables(config, [read_results(column.evaluation.output_dir) for column in columns])


def _unfinished(columns: Sequence[TestConfig], records: Sequence[ImageRecord]) -> list[TestConfig]:
    waiting = [column for column in columns if not is_finished(column, records)]
    logger.info("%d of %d columns are finished already", len(columns) - len(waiting), len(columns))
    return waiting


def _evaluate(column: TestConfig, records: Sequence[ImageRecord], processes: Processes, resume: bool) -> None:
    begun = processes.from_first(resume and is_begun(column))
    evaluate_method(column, _build(column, records), records, processes, resume=begun)


def _build(column: TestConfig, records: Sequence[ImageRecord]) -> Method:
    with torch_seed(0):  # random-small is then the same model in every process and when resumed
        return build_method(column, records)


def _write_tables(config: AblationConfig, results: Sequence[Results]) -> str:
    texts: list[str] = []
    for protocol in PROTOCOLS:
        if not any(row.protocol == protocol for row in results[0].rows):
            continue  # the paper protocol has no query where no image holds an object
        tables = comparison_tables(compare(results, protocol), 2)
        write_table_files(tables, config.ablation.output_dir, f"{TABLE}_{protocol}")
        texts += map(as_plain, tables.values())
    return "\n".join(texts)
