"""How much the wording of a prompt matters, as table 5 of the paper: the same phrase asked in several ways."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from gdinousam.data.contract.names import phrases_of
from gdinousam.evaluation.reporting.paper_numbers import OURS, method_in_paper
from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
from gdinousam.evaluation.reporting.tables import PROTOCOLS
from gdinousam.evaluation.scoring.results import read_results
from gdinousam.evaluation.scoring.runner import check_records
from gdinousam.experiments.config import TestConfig, dump_config
from gdinousam.experiments.evaluate import build_method, evaluate_method, read_test_records
from gdinousam.experiments.studies.folders import is_begun, is_finished, study_folder
from gdinousam.experiments.studies.prompt_table import prompt_table
from gdinousam.experiments.studies.prompts_file import Wording, held_out_wordings, phrases_of_groups, read_prompts
from gdinousam.experiments.studies.rewording import AskedTogether, Reworded, only_phrases
from gdinousam.experiments.studies.wording_table import WORDINGS_TABLE, study_tables
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.phrase_book import read_phrase_book
from gdinousam.processes import Processes, joined_processes
from gdinousam.records import ImageRecord
from gdinousam.settings import SettingsPath, derive

logger = logging.getLogger(__name__)

TABLE = "table5"
HELD_OUT: Literal["held-out wordings"] = "held-out wordings"


def _as_list(value: object) -> object:
    listed = list(value) if isinstance(value, list | tuple) else [value]
    return HELD_OUT if listed == [HELD_OUT] else listed


class PromptStudyConfig(TestConfig):
    """Everything scripts/prompt_study.py needs: the settings of test.py and the prompts."""

    prompts: Annotated[
        Literal["held-out wordings"] | Annotated[tuple[SettingsPath, ...], Field(min_length=1)],
        BeforeValidator(_as_list),
    ] = Field(
        description="YAML file, or a list of several, with the prompts to ask instead of the phrases of the "
        "data, or for every phrase. held-out wordings: each phrase in its own words and in those of the phrase book "
        "that no training is shown.",
    )

    @model_validator(mode="before")
    @classmethod
    def _dataset_is_a_list_in_data(cls, tree: Any) -> Any:
        """``dataset`` of earlier versions is ``data.datasets``."""
        if not isinstance(tree, dict) or "dataset" not in tree:
            return tree
        name = tree["dataset"]
        rest = {key: value for key, value in tree.items() if key != "dataset"}
        data = rest.get("data")
        if name is None or not isinstance(data, dict):
            return rest
        if data.get("datasets") is not None:
            raise ValueError("dataset and data.datasets are the same setting; keep data.datasets")
        logger.warning("dataset is called data.datasets now, and is a list: data.datasets=[%s]", name)
        return rest | {"data": data | {"datasets": [name]}}

    @model_validator(mode="after")
    def _there_is_somebody_to_ask(self) -> PromptStudyConfig:
        if not self.method.finds_by_phrase:
            raise ValueError(
                f"{self.method.name} reads no prompts; name a Grounding DINO in model.detector, alone or with a method "
                "that takes its boxes (baseline.prompts.source: detector)"
            )
        if self.evaluation.absent_kinds:
            raise ValueError("a prompt study asks for the phrases of the rows; leave evaluation.absent_phrases out")
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
    return derive(WordingConfig, config, evaluation=evaluation, phrase=wording.phrase, prompt=wording.prompt)


def run_prompt_study(config: PromptStudyConfig, overwrite: bool = False, resume: bool = False) -> str:
    """Ask every prompt, score it as its phrase, and write ``table5_<protocol>``, or of held-out wordings
    ``wordings_strict``; returns the tables.

    Of several processes each scores a share; all but the first return an empty text.
    resume: keep the prompts that are finished and go on with the others. overwrite: replace an earlier study.
    Raises InputError, before anything is asked, where the prompts cannot be asked or do not fit the data, for data with
    problems, weights that do not load, a folder in use, and prompts there that were asked with other settings.
    """
    config = config.resolved()
    groups = () if config.prompts == HELD_OUT else read_prompts(config.prompts)
    with joined_processes() as processes:
        records = read_test_records(config.data, processes, phrase_book=config.phrase_book)
        check_records(records)
        phrases = phrases_of(records)
        if config.prompts == HELD_OUT:
            where = str(config.phrase_book or "the phrase book")
            groups = held_out_wordings(read_phrase_book(config.phrase_book), phrases, where)
            held: dict[str, tuple[str, ...]] = {phrase: (phrase,) for phrase in phrases}
        else:
            held = phrases_of_groups(groups, phrases, config.prompts)
        records_of = {name: only_phrases(records, of_group) for name, of_group in held.items()}
        wordings = [wording for group in groups if held[group.name] for wording in group.wordings]
        configs = {wording: wording_config(config, wording) for wording in wordings}
        waiting = list(configs)
        if resume and processes.is_first:
            waiting = [one for one in configs if not is_finished(configs[one], records_of[one.phrase])]
            logger.info("%d of %d prompts are finished already", len(configs) - len(waiting), len(configs))
        waiting = processes.from_first(waiting)
        segmenter = _segmenter(config, records, waiting) if waiting else None
        folder, text = config.evaluation.output_dir, dump_config(config)
        with study_folder(folder, "evaluation.output_dir", text, overwrite, resume, processes):
            if segmenter is not None:
                for phrase in dict.fromkeys(wording.phrase for wording in waiting):
                    asked = [wording for wording in waiting if wording.phrase == phrase]
                    _ask(asked, configs, segmenter, records_of[phrase], processes, resume)
            unknown = [group.name for group in groups if group.wordings and not held[group.name]]
            return _write_tables(config, configs, unknown) if processes.is_first else ""


def _segmenter(config: PromptStudyConfig, records: Sequence[ImageRecord], asked: Sequence[Wording]) -> TextSegmenter:
    """The pipeline, after a look whether it can read every prompt."""
    method = build_method(config, records)
    assert isinstance(method, TextSegmenter)  # the config has refused whatever reads no prompts
    for wording in asked:
        method.box_finder.captions_of((wording.prompt,))
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


def _write_tables(config: PromptStudyConfig, configs: Mapping[Wording, WordingConfig], unknown: Sequence[str]) -> str:
    """unknown: groups of the files that no phrase of the data belongs to."""
    results = {wording: read_results(one.evaluation.output_dir) for wording, one in configs.items()}
    remarks = [f"No phrase of these images belongs to: {', '.join(unknown)}."] if unknown else []
    remarks += [remark for one in results.values() for remark in one.notes.remarks]
    if config.prompts == HELD_OUT:
        tables = study_tables(results, remarks)
        write_table_files(tables, config.evaluation.output_dir, WORDINGS_TABLE)
        return "\n".join(map(as_plain, tables.values()))
    first = next(iter(results.values()))  # one method was asked all of them
    about = first.notes.after(remarks)
    rows = {wording: one.rows for wording, one in results.items()}
    is_papers_method = method_in_paper(config.evaluation.method) == OURS
    texts = []
    for protocol in PROTOCOLS:
        table = prompt_table(rows, protocol, first.weights, about, is_papers_method)
        write_table_files({"prompts": table}, config.evaluation.output_dir, f"{TABLE}_{protocol}")
        texts.append(as_plain(table))
    return "\n".join(texts)
