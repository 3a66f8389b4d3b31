"""How much the wording of a prompt matters, as table 5 of the paper: the same phrase asked in several ways."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from pydantic import Field, model_validator

from gdinousam.config import TestConfig, dump_config
from gdinousam.errors import InputError
from gdinousam.evaluation.processes import Processes, joined_processes
from gdinousam.evaluation.results import read_results
from gdinousam.evaluation.runner import check_records
from gdinousam.evaluation.table_files import as_plain, write_table_files
from gdinousam.evaluation.tables import PROTOCOLS
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.prompts import split_into_captions
from gdinousam.records import ImageRecord
from gdinousam.runs.evaluation import build_method, evaluate_method, read_test_records
from gdinousam.settings import SettingsPath
from gdinousam.studies.folders import begin_study, is_begun, is_finished
from gdinousam.studies.prompt_table import prompt_table
from gdinousam.studies.prompts_file import Wording, read_prompts, require_phrases, wordings
from gdinousam.studies.rewording import AskedTogether, Reworded, only_phrase

logger = logging.getLogger(__name__)

TABLE = "table5"


class PromptStudyConfig(TestConfig):
    """Everything scripts/prompt_study.py needs: the settings of test.py, and what to ask."""

    prompts: SettingsPath = Field(description="YAML: phrase of the data -> list of prompts to ask instead.")
    dataset: str | None = Field(None, description="Only the images of this dataset of the CSV; null: all.")

    @model_validator(mode="after")
    def _there_is_somebody_to_ask(self) -> PromptStudyConfig:
        if self.evaluation.predictions is not None:
            raise ValueError("a folder of masks cannot be asked; leave out evaluation.predictions")
        return self


class WordingConfig(TestConfig):
    """What stands beside the results of one prompt: the settings of test.py, and what was asked instead of what."""

    phrase: str
    prompt: str


def wording_config(config: PromptStudyConfig, wording: Wording) -> WordingConfig:
    """The settings of one prompt, with a folder of its own."""
    evaluation = config.evaluation.model_copy(
        update={
            "output_dir": config.evaluation.output_dir / wording.folder,
            "method": f"{config.evaluation.method}: {wording.prompt}",
        }
    )
    return WordingConfig(
        data=config.data,
        resize=config.resize,
        model=config.model,
        prediction=config.prediction,
        evaluation=evaluation,
        phrase=wording.phrase,
        prompt=wording.prompt,
    )


def run_prompt_study(config: PromptStudyConfig, overwrite: bool = False, resume: bool = False) -> str:
    """Ask every prompt of the file, score it as its phrase, and write ``table5_<protocol>``; returns the tables.

    Of several processes each scores a share; all but the first return an empty text.
    resume: keep the prompts that are finished and go on with the others. overwrite: replace an earlier study.
    Raises InputError, before anything is asked, where the prompts cannot be asked or do not fit the data, for data with
    problems, weights that do not load, a folder in use, and prompts there that were asked with other settings.
    """
    prompts = read_prompts(config.prompts)
    with joined_processes() as processes:
        records = _records(config)
        require_phrases(prompts, {phrase for record in records for phrase in record.phrases}, config.prompts)
        records_of = {phrase: only_phrase(records, phrase) for phrase in prompts}
        configs = {wording: wording_config(config, wording) for wording in wordings(prompts)}
        waiting = list(configs)
        if resume and processes.is_first:
            waiting = [one for one in configs if not is_finished(configs[one], records_of[one.phrase])]
            logger.info("%d of %d prompts are finished already", len(configs) - len(waiting), len(configs))
        waiting = processes.from_first(waiting)
        segmenter = _segmenter(config, records, waiting) if waiting else None
        if processes.is_first:
            begin_study(config.evaluation.output_dir, "evaluation.output_dir", dump_config(config), overwrite, resume)
        processes.wait()
        if segmenter is not None:
            for phrase in dict.fromkeys(wording.phrase for wording in waiting):
                asked = [wording for wording in waiting if wording.phrase == phrase]
                _ask(asked, configs, segmenter, records_of[phrase], processes, resume)
    return _write_tables(config, configs) if processes.is_first else ""


def _records(config: PromptStudyConfig) -> Sequence[ImageRecord]:
    """The images of the dataset, or of all, whose masks are looked at as a whole before they are parted by phrase."""
    records: Sequence[ImageRecord] = read_test_records(config.data.model_copy(update={"max_images": None}))
    if config.dataset is not None:
        known = sorted({record.dataset for record in records})
        records = [record for record in records if record.dataset == config.dataset]
        if not records:
            raise InputError(f"dataset: no image of {config.dataset!r} in the test file; it holds {', '.join(known)}")
    records = records[: config.data.max_images]
    check_records(records)
    return records


def _segmenter(config: PromptStudyConfig, records: Sequence[ImageRecord], asked: Sequence[Wording]) -> TextSegmenter:
    """The pipeline, after a look whether it can read every prompt."""
    method = build_method(config, records)
    if not isinstance(method, TextSegmenter):
        raise InputError("model.detector: a reference reads no prompts; name a Grounding DINO")
    detector = method.box_finder.detector
    for wording in asked:
        split_into_captions((wording.prompt,), detector.tokenizer, detector.max_tokens)
    return method


def _ask(
    wordings_of_phrase: Sequence[Wording],
    configs: Mapping[Wording, WordingConfig],
    segmenter: TextSegmenter,
    records: Sequence[ImageRecord],
    processes: Processes,
    resume: bool,
) -> None:
    """Score the prompts for one phrase, asked of each image together unless phrases would then share a caption."""
    prompts = [wording.prompt for wording in wordings_of_phrase]
    if not segmenter.box_finder.prediction.joint_caption:
        logger.info("%d prompts for %s, all of them asked with the first", len(prompts), wordings_of_phrase[0].phrase)
    together = AskedTogether(segmenter, prompts)
    for number, wording in enumerate(wordings_of_phrase, start=1):
        if segmenter.box_finder.prediction.joint_caption:
            together = AskedTogether(segmenter, [wording.prompt])
        logger.info("prompt %d of %d for %s: %s", number, len(prompts), wording.phrase, wording.prompt)
        config = configs[wording]
        begun = processes.from_first(resume and is_begun(config))
        evaluate_method(config, Reworded(together, wording.prompt), records, processes, resume=begun)
        together.finish(wording.prompt)


def _write_tables(config: PromptStudyConfig, configs: Mapping[Wording, WordingConfig]) -> str:
    results = {wording: read_results(one.evaluation.output_dir) for wording, one in configs.items()}
    rows = {wording: one.rows for wording, one in results.items()}
    first = next(iter(results.values()))  # one method was asked all of them
    texts = []
    for protocol in PROTOCOLS:
        table = prompt_table(rows, protocol, first.weights, first.notes)
        write_table_files({"prompts": table}, config.evaluation.output_dir, f"{TABLE}_{protocol}")
        texts.append(as_plain(table))
    return "\n".join(texts)
