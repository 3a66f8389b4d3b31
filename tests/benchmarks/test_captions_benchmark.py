"""Asking in one caption or in several: which questions, and what is made of the answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.captions.command import captions_command, captions_table, measure_captions
from benchmarks.captions.questions import MAX_PHRASES, ORGANS, questions
from benchmarks.captions.ways import BESIDE, area_under_roc, quiet_point, ways_to_ask
from gdinousam.commands.common import run
from gdinousam.data.sources.phantoms.writing import write_phantoms
from gdinousam.errors import InputError
from gdinousam.experiments.studies.operating_choice import THRESHOLDS, QueryCurve
from gdinousam.models.bundled import SMALL
from gdinousam.models.loading import load_detector
from gdinousam.prompts import build_caption, fits_a_caption
from gdinousam.records import ImageRecord, Instance


def record(*phrases: str) -> ImageRecord:
    instances = tuple(Instance(phrase, (0, 0, 5, 5)) for phrase in phrases)
    return ImageRecord(Path("image.png"), 9, 9, "some", instances=instances, phrases=phrases)


def curve(num_instances: int, score: float, dice: float = 0.0) -> QueryCurve:
    """A query with one box of this score, and this Dice if its phrase is there."""
    found = {threshold: (score,) if score >= threshold else () for threshold in THRESHOLDS}
    return QueryCurve("one", "cyst", num_instances, found, {one: (dice,) * len(row) for one, row in found.items()})


@pytest.mark.parametrize("num_phrases", [2, 4, MAX_PHRASES])
def test_one_phrase_is_there_and_the_others_are_of_other_organs(num_phrases: int) -> None:
    (asked,) = questions([record("kidney cortex", "kidney capsule")], num_phrases)
    assert len(asked.phrases) == num_phrases == len(set(asked.phrases))
    (shown,) = (one.phrase for one in asked.instances)
    assert shown in ORGANS["kidney"]
    assert set(asked.absent_phrases) == set(asked.phrases) - {shown}
    assert not set(asked.absent_phrases) & set(ORGANS["kidney"])


def test_the_most_phrases_suffice_for_every_organ() -> None:
    for phrases in ORGANS.values():
        assert len(questions([record(phrases[0])], MAX_PHRASES)[0].phrases) == MAX_PHRASES


def test_a_single_phrase_is_asked_in_two_runs() -> None:
    present, absent = questions([record("fetal head"), record()], 1)
    assert (present.phrases, present.absent_phrases) == (("fetal head",), ())
    assert len(absent.phrases) == 1 and absent.phrases == absent.absent_phrases and not absent.instances


def test_what_is_asked_depends_on_the_seed_alone() -> None:
    asked = [questions([record("prostate")], 4, seed)[0].phrases for seed in (0, 0, 1)]
    assert asked[0] == asked[1] != asked[2]


def test_a_phrase_of_no_known_organ_is_refused() -> None:
    with pytest.raises(InputError, match="'left knee'"):
        questions([record("left knee")], 4)


def test_a_phrase_of_any_organ_is_asked_where_it_is_only() -> None:
    (asked,) = questions([record("cyst")], MAX_PHRASES - 2)
    assert [one.phrase for one in asked.instances] == ["cyst"] and "cyst" not in asked.absent_phrases


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    present, absent = [curve(1, 0.9), curve(1, 0.4)], [curve(0, 0.4), curve(0, 0.1), curve(0, 0.0)]
    assert area_under_roc(present + absent) == pytest.approx((3 + 2.5) / 6)


def test_a_little_dice_is_given_up_for_silence() -> None:
    many = [curve(1, 0.6, 0.9)] * 199
    absent = [curve(0, 0.29)]
    # one query in 200 is lost where the absent phrase is silent: Dice falls by 0.0045, then by 0.018
    assert quiet_point([*many, curve(1, 0.2, 0.9), *absent]).box_threshold > 0.29
    assert quiet_point([*many[:196], *[curve(1, 0.2, 0.9)] * 4, *absent]).box_threshold <= 0.2


def test_every_phrase_fits_beside_the_others() -> None:
    detector = load_detector(SMALL)
    for phrases in ORGANS.values():
        for phrase in phrases:
            assert fits_a_caption([phrase, *BESIDE], detector.tokenizer, detector.max_tokens), phrase
    assert len(build_caption(BESIDE).spans) == len(BESIDE)


def test_without_phrases_beside_there_are_two_ways() -> None:
    assert [one.joint_caption for one in ways_to_ask([]).values()] == [False, True]
    assert {one.beside for one in ways_to_ask(["cyst"]).values()} == {(), ("cyst",)}


@pytest.mark.slow
def test_all_ways_are_measured(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "data", 0, 4, 4, families=("breast", "kidney"))
    found = measure_captions(tmp_path / "data", [1, 3], num_runs=2, device="cpu")
    assert [(way.num_phrases, way.name) for way in found.ways] == [
        (n, name) for n in (1, 3) for name in ways_to_ask(BESIDE)
    ]
    for way in found.ways:
        assert len(way.runs) == 2 and way.percentile(50) > 0
        assert (way.dice.num_values, way.false_positives.num_values) == (4, 4 * max(1, way.num_phrases - 1))
        assert 0 <= way.false_positives.low <= way.false_positives.mean <= way.false_positives.high <= 1
    alone, together = found.ways[:2]
    assert (alone.dice, alone.area) == (together.dice, together.area), "one phrase is one caption either way"
    assert len(captions_table(found).lines) == 8


@pytest.mark.slow
def test_the_command_writes_numbers_and_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--phrases",
        "2",
        "--images",
        "6",
        "--runs",
        "1",
        "--beside",
        "--device",
        "cpu",
        "--out",
        str(tmp_path),
    ]
    assert run(captions_command, arguments) == 0
    assert "one each" in capsys.readouterr().out
    content = json.loads((tmp_path / "captions" / "captions.json").read_text(encoding="utf-8"))
    assert [way["num_phrases"] for way in content["ways"]] == [2, 2] and content["num_images"] <= 6


@pytest.mark.parametrize(
    "wrong", [["--phrases", "0"], ["--phrases", "400"], ["--runs", "0"], ["--images", "0"], ["nowhere"]]
)
def test_impossible_measurements_are_one_line(
    wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(captions_command, [*wrong, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())
