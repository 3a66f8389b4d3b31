"""BiomedParse from config to tables."""

import json
from pathlib import Path
from typing import Any

import method_runs
import pandas as pd
import pytest
import yaml
from method_runs import evaluated, write

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.predict import predict_command
from gdinousam.commands.test import evaluate_command
from gdinousam.evaluation.scoring.notes import NO_NOTES
from gdinousam.evaluation.scoring.results import Results
from gdinousam.methods.biomedparse.settings import BiomedParseSettings
from gdinousam.records import ImageRecord

RANDOM = "Weights are random: the numbers mean nothing."
BETAS = [[400.0, 1.0], [1.0, 400.0], [400.0, 1.0], [1.0, 400.0]]


def tree_of(phantom_data: Path, folder: Path, **baseline: Any) -> dict[str, Any]:
    method = {"name": "biomedparse", "weights": "random-small"} | baseline
    tree = method_runs.tree_of(phantom_data, folder, **method)
    tree["evaluation"]["method"] = "BiomedParse"
    return tree


def written(sentences: dict[str, str], folder: Path) -> str:
    path = folder / "sentences.yaml"
    path.write_text(yaml.safe_dump({"sentences": sentences}), encoding="utf-8")
    return str(path)


def overlaps(results: Results) -> list[tuple[str, str, int]]:
    return [(row.image_name, row.phrase, row.overlap_pixels) for row in results.rows if row.protocol == "strict"]


def test_it_is_given_nothing_but_the_phrase(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = evaluated(tree_of(phantom_data, tmp_path / "out"), tmp_path)
    assert results.method == "BiomedParse (random)"
    assert results.needs == ("text",) and results.notes.remarks == (RANDOM,)
    assert RANDOM in capsys.readouterr().out
    assert any(row.num_detections for row in results.rows)
    about = json.loads((tmp_path / "out" / "method.json").read_text(encoding="utf-8"))
    assert about["models"]["biomedparse"]["name"] == "random-small"


def test_random_weights_answer_alike_in_every_run_and_sentences_change_the_answers(
    phantom_data: Path, tmp_path: Path
) -> None:
    phrases = pd.read_csv(phantom_data / "test.CSV", dtype=str)["label_name"].dropna().unique()
    sentences = written({phrase.upper(): f"{phrase} in an ultrasound phantom" for phrase in phrases}, tmp_path)
    first, second = (evaluated(tree_of(phantom_data, tmp_path / name), tmp_path) for name in ("first", "second"))
    other = evaluated(tree_of(phantom_data, tmp_path / "other", sentences=sentences), tmp_path)
    assert overlaps(first) == overlaps(second) != overlaps(other)
    assert set(other.trace.models) == {"biomedparse", "sentences"}


def test_absent_phrases_are_asked_and_what_is_taken_back_is_a_true_negative(phantom_data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(phantom_data / "test.CSV", dtype=str, keep_default_na=False)
    absent = table.iloc[:1].assign(label_name="fetal head", bbox_x="", bbox_y="", bbox_width="", bbox_height="")
    absent["mask_name"] = ""
    pd.concat([table, absent]).to_csv(tmp_path / "test.CSV", index=False)
    (tmp_path / "dist.json").write_text(json.dumps({"US": {"head": BETAS}}), encoding="utf-8")
    tree = tree_of(phantom_data, tmp_path / "plain")
    tree["data"]["test_ann"] = str(tmp_path / "test.CSV")
    test = {"distributions": str(tmp_path / "dist.json"), "modality": "US", "objects": {"fetal head": "head"}}
    plain = evaluated(tree, tmp_path)
    tree["baseline"]["absence"] = test
    tree["evaluation"]["output_dir"] = str(tmp_path / "tested")
    tested = evaluated(tree, tmp_path)
    assert found_for_head(plain) == 1 and found_for_head(tested) == 0
    assert set(tested.trace.models) == {"biomedparse", "distributions"}
    assert tested.trace.models["distributions"].sha256 is not None


def found_for_head(results: Results) -> int:
    (row,) = [row for row in results.rows if row.phrase == "fetal head" and row.protocol == "strict"]
    assert not row.target_present
    return row.num_detections


def test_it_segments_an_image_of_the_user_s(phantom_data: Path, tmp_path: Path) -> None:
    config = write(tree_of(phantom_data, tmp_path / "out"), tmp_path / "test.yaml")
    image = phantom_data / "test_image" / "test_00000.png"
    arguments = [str(image), "--prompt", "cyst", "--config", str(config), "--output", str(tmp_path / "found")]
    assert run(predict_command, arguments) == 0
    assert (tmp_path / "found" / "test_00000_cyst.png").is_file()


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ({"weights": "nowhere.pt"}, "nowhere.pt: no such weight file"),
        ({"sentences": "none.yaml"}, "none.yaml: no such file of sentences"),
        ({"sentences": {"cyst": "round cyst"}}, "baseline.sentences"),  # as earlier versions had them
        ({}, None),
        ({"absence": {"distributions": "nowhere.json", "modality": "US"}}, "nowhere.json: no such file"),
        ({"absence": {"distributions": "nowhere.json"}}, "baseline.absence.modality is missing"),
        ({"thresholds": 1}, "baseline.thresholds is not a setting"),
    ],
)
def test_wrong_settings_are_one_line(
    phantom_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    baseline: dict[str, Any],
    message: str | None,
) -> None:
    if message is None:  # the phrases of the phantoms, whatever they are
        phrases = pd.read_csv(phantom_data / "test.CSV", dtype=str)["label_name"].dropna().unique()
        baseline = {"sentences": written(dict.fromkeys(phrases, "a " * 90), tmp_path)}
        message = "tokens and BiomedParse reads 77; ask in fewer words"
    tree = tree_of(phantom_data, tmp_path / "out", **baseline)
    assert run(evaluate_command, ["--config", str(write(tree, tmp_path / "test.yaml"))]) == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not (tmp_path / "out").exists()


def test_published_weights_are_marked_where_they_were_trained() -> None:
    records = [
        ImageRecord(Path("one.png"), 10, 10, dataset, phrases=("cyst",), last_phrase="cyst")
        for dataset in ("busi", "tn3k", "camus")
    ]
    settings = BiomedParseSettings(name="biomedparse", weights="weights/biomedparse_v1.pt")
    notes = settings.notes(records)
    assert set(notes.of_datasets) == {"busi", "camus"} and not notes.remarks
    assert "called BreastUS, which are probably of this dataset" in notes.of_datasets["busi"]
    assert "were trained on images of this dataset" in notes.of_datasets["camus"]
    assert settings.model_copy(update={"weights": "random"}).notes(records) == NO_NOTES
