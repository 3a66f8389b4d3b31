"""The paper's tables as printed, and every place in which they contradict themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gdinousam.data.sources.public.registry import all_datasets
from gdinousam.evaluation.reporting.paper_numbers import (
    AVERAGE,
    METHOD_TABLES,
    OURS,
    SCORE_TABLES,
    PaperScore,
    contradictions,
    dataset_in_paper,
    footnotes,
    method_in_paper,
    paper_prompts,
    paper_seconds,
    paper_table,
    possible,
)

TRANSCRIPT = Path(__file__).parents[3] / "shared" / "paper_tables.yaml"


def test_the_contradictions_of_the_printed_tables_are_these() -> None:
    assert [(one.table, one.dataset, one.method, one.text) for one in contradictions()] == [
        (3, "105US", OURS, "The paper prints a standard deviation of 0 although 105US has 11 test images."),
        *[
            (3, AVERAGE, method, f"The paper prints {printed} as the average of {method}; the mean of its {means}.")
            for method, printed, means in [
                ("UniverSeg", "Dice 47.33 and IoU 35.77", "15 printed rows is 42.34 and 31.75"),
                ("BiomedParse", "Dice 62.00 and IoU 53.38", "15 printed rows is 58.99 and 50.95"),
                ("SAMUS", "Dice 60.01 and IoU 48.04", "15 printed rows is 61.17 and 49.16"),
                ("MedCLIP-SAM", "Dice 62.76 and IoU 50.48", "15 printed rows is 60.29 and 47.97"),
                ("MedCLIP-SAMv2", "Dice 68.92 and IoU 59.06", "15 printed rows is 65.71 and 55.76"),
                (OURS, "Dice 78.97 and IoU 71.13", "15 printed rows is 79.92 and 71.15"),
            ]
        ],
        (
            4,
            "BUSBRA",
            OURS,
            "The paper prints Dice 79.10 and IoU 86.44 for BUSBRA, but a mean IoU lies between Dice / (2 - Dice) and "
            "the mean Dice.",
        ),
        (4, "BUSBRA", OURS, "The paper prints the same two numbers for TNSCUI, Dice and IoU the other way round."),
        (4, "TNSCUI", OURS, "The paper prints the same two numbers for BUSBRA, Dice and IoU the other way round."),
        (
            4,
            AVERAGE,
            OURS,
            f"The paper prints Dice 72.83 and IoU 68.53 as the average of {OURS}; the mean of its 3 printed rows is "
            "76.84 and 72.50.",
        ),
    ]


def test_a_footnote_belongs_to_one_cell() -> None:
    assert len(footnotes(4, "BUSBRA", OURS)) == 2
    assert footnotes(4, "BUSBRA", "SAMUS") == footnotes(4, "Luminous", OURS) == footnotes(3, "BUSBRA", OURS) == ()


def test_no_prompt_of_table_5_contradicts_itself() -> None:
    assert [one for one in paper_prompts() if not possible(one.score)] == []


@pytest.mark.parametrize(
    ("dice", "iou", "expected"),
    [
        (80.0, 80.0, True),  # half the images perfect, the rest missed, say
        (80.0, 80.02, False),
        (80.0, 66.67, True),  # every image the same
        (80.0, 66.6, False),
        (0.0, 0.0, True),
        (100.0, 100.0, True),
    ],
)
def test_a_mean_iou_lies_between_two_bounds(dice: float, iou: float, expected: bool) -> None:
    assert possible(PaperScore(dice, 1, iou, 1)) is expected


def test_the_printed_iou_of_105us_is_that_of_a_single_image() -> None:
    score = paper_table(3).scores["105US"][OURS]
    assert score.iou == pytest.approx(100 * score.dice / (200 - score.dice), abs=0.005)


def test_seen_and_unseen_datasets_are_tables_3_and_4() -> None:
    for dataset in all_datasets():
        facts = dataset.facts
        number, printed = dataset_in_paper(facts.tag) or (None, "")
        assert number == {"seen": 3, "unseen": 4}[facts.role]
        assert printed.lower() == facts.name.lower()
        assert dataset_in_paper(facts.name.upper()) == (number, printed)
    assert sum(len(paper_table(number).scores) for number in METHOD_TABLES) == len(all_datasets())


def test_a_dataset_of_ones_own_is_not_in_the_paper() -> None:
    assert dataset_in_paper("phantom") is None
    assert dataset_in_paper("bus") is None, "an alias may be anybody's word"


def test_spelling_does_not_hide_a_method() -> None:
    assert method_in_paper("grounding_dino US-SAM") == OURS
    assert method_in_paper("MedCLIP-SAM") == "MedCLIP-SAM"
    assert method_in_paper("medclip sam v2") == "MedCLIP-SAMv2"
    assert method_in_paper("nnU-Net") is None


def test_the_ablation_repeats_the_scores_of_the_comparison() -> None:
    seen = paper_table(3).scores
    for dataset, scores in paper_table(2).scores.items():
        assert scores["fine-tuned GroundingDINO+SAM2"] == seen[dataset][OURS]


def test_every_table_is_whole() -> None:
    for number in SCORE_TABLES:
        table = paper_table(number)
        assert {tuple(of_dataset) for of_dataset in table.scores.values()} == {table.methods}
    assert paper_table(3).methods == paper_table(4).methods == tuple(paper_seconds())
    assert len(paper_prompts()) == 20


@pytest.mark.real_data
@pytest.mark.skipif(not TRANSCRIPT.is_file(), reason="the transcript of the paper's tables is not here")
def test_the_numbers_are_those_of_the_transcript() -> None:
    transcript = yaml.safe_load(TRANSCRIPT.read_text(encoding="utf-8"))
    for number, name in {2: "table2_ablation", 3: "table3_seen", 4: "table4_unseen"}.items():
        table = paper_table(number)  # type: ignore[arg-type]
        scores = {**table.scores, "Average": table.average}
        assert {one["dataset"]: one["scores"] for one in transcript[name]} == {
            dataset: {method: score._asdict() for method, score in of_dataset.items()}
            for dataset, of_dataset in scores.items()
        }
    prompts: list[dict[str, Any]] = [
        {"structure": one.structure, "prompt": one.prompt, **one.score._asdict()} for one in paper_prompts()
    ]
    assert transcript["table5_prompts_kidney"] == prompts
    assert transcript["table6_runtime_s_titan_v"] == dict(paper_seconds())
