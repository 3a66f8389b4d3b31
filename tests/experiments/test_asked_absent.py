"""``python test.py`` with absent phrases beside those of the rows, on phantoms of two organs."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from method_runs import evaluated, write

from gdinousam.assets import ASSETS
from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.predict import predict_command
from gdinousam.commands.test import evaluate_command
from gdinousam.data.sources.phantoms import PhantomSettings, write_phantoms
from gdinousam.evaluation.scoring.results import Results
from gdinousam.evaluation.scoring.rows import ScoreRow

KIDNEY = "kidney capsule"


@pytest.fixture(scope="module")
def two_organs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two_organs") / "phantoms"
    small = PhantomSettings(height_range=(64, 72), width_range=(64, 72))
    write_phantoms(folder, 0, 0, 4, seed=3, settings=small, families=("kidney", "breast"))
    return folder


@pytest.fixture
def tree(two_organs: Path, small_detector: Path, small_mask_head: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        # one image and one caption at a time: another batch changes the last digits
        "data": {
            "test_dir": str(two_organs / "test_image"),
            "test_ann": str(two_organs / "test.CSV"),
            "test_masks": str(two_organs / "test_mask"),
            "batch_size": 1,
            "num_workers": 0,
        },
        "resize": {"size": 64},
        "model": {"detector": str(small_detector), "mask_head": str(small_mask_head)},
        "prediction": {"box_threshold": 0.0, "batch_size": 1},
        "evaluation": {"output_dir": str(tmp_path / "out"), "num_pictures": 0, "save_masks": False, "device": "cpu"},
    }


def asking(tree: dict[str, Any], folder: Path, **settings: Any) -> dict[str, Any]:
    return tree | {"evaluation": tree["evaluation"] | {"output_dir": str(folder)} | settings}


def timeless(results: Results, added: bool) -> list[str]:
    """The rows without their times; added: with those of the phrases asked besides."""
    own = [row for row in results.rows if added or row.target_present or row.phrase not in _kidney(results)]
    return [repr(replace(row, seconds=0.0)) for row in own]


def _kidney(results: Results) -> set[str]:
    return {row.phrase for row in results.rows if row.phrase.startswith("kidney")}


def test_rows_of_present_phrases_and_of_the_paper_protocol_stay_bit_for_bit(
    tree: dict[str, Any], tmp_path: Path
) -> None:
    tree["data"] |= {"max_images": 2}
    before = evaluated(asking(tree, tmp_path / "before"), tmp_path)
    after = evaluated(asking(tree, tmp_path / "after", absent_phrases="other organs"), tmp_path)
    assert timeless(after, added=False) == timeless(before, added=True)
    kept = {repr(replace(row, seconds=0.0)) for row in before.rows}
    new = [row for row in after.rows if repr(replace(row, seconds=0.0)) not in kept]
    # an image of the breast cannot show a kidney; lesions may be in a kidney, so they are not asked there
    assert {(row.protocol, row.dataset, row.target_present) for row in new} == {("strict", "phantom", False)}
    assert {row.phrase for row in new} == _kidney(after)
    assert any(one.startswith("Absent phrases: those of the rows and other organs (") for one in after.notes.remarks)
    assert "## Absent phrases, protocol strict" in (tmp_path / "after/tables.md").read_text(encoding="utf-8")


def test_phrases_of_a_list_are_asked_in_place_of_those_of_the_file(tree: dict[str, Any], tmp_path: Path) -> None:
    tree["data"] |= {"datasets": ["phantom"]}
    listed = ("thyroid nodule", "left ventricle", "fetal head")
    settings = {"absent_phrases": ["other organs"], "absent_from": list(listed), "absent_per_image": 1}
    rows = evaluated(asking(tree, tmp_path / "out", **settings), tmp_path).rows
    asked = [(row.image_name, row.phrase) for row in rows if not row.target_present]
    assert len({image for image, _ in asked}) == len(asked) == 2 and {phrase for _, phrase in asked} < set(listed)


def test_the_phrases_of_the_whole_file_are_asked_where_one_dataset_is_used(
    tree: dict[str, Any], tmp_path: Path
) -> None:
    tree["data"] |= {"datasets": ["phantom"], "max_images": 1}
    rows: list[ScoreRow] = evaluated(asking(tree, tmp_path / "out", absent_phrases="other organs"), tmp_path).rows
    assert KIDNEY in {row.phrase for row in rows if not row.target_present}


def test_a_run_is_not_gone_on_with_under_other_settings(
    tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree["data"] |= {"datasets": ["phantom"], "max_images": 1}
    evaluated(asking(tree, tmp_path / "out", absent_phrases="other organs"), tmp_path)
    config = write(
        asking(tree, tmp_path / "out", absent_phrases="other organs", absent_per_image=1), tmp_path / "b.yaml"
    )
    capsys.readouterr()
    assert run(evaluate_command, ["--config", str(config), "--resume"]) == BAD_INPUT
    said = capsys.readouterr().err
    assert "absent_per_image" in said and "begun with something else" in said


def test_a_run_is_not_gone_on_with_when_the_phrase_book_has_changed(
    tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree["data"] |= {"datasets": ["phantom"], "max_images": 1}
    tree["phrase_book"] = str(shutil.copy(ASSETS / "phrase_book.yaml", tmp_path / "book.yaml"))
    asked = asking(tree, tmp_path / "out", absent_phrases="other organs", absent_from=["fetal head"])
    evaluated(asked, tmp_path)
    with (tmp_path / "book.yaml").open("a", encoding="utf-8") as file:
        file.write("# mine\n")
    capsys.readouterr()
    assert run(evaluate_command, ["--config", str(write(asked, tmp_path / "b.yaml")), "--resume"]) == BAD_INPUT
    assert "begun with something else (remarks in method.json)" in capsys.readouterr().err


def test_nothing_to_ask_and_a_wrong_word_are_refused_before_anything_runs(
    tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(
        asking(tree, tmp_path / "out", absent_phrases="other organs", absent_from=["spleen"]), tmp_path / "a.yaml"
    )
    assert run(evaluate_command, ["--config", str(config)]) == BAD_INPUT
    assert "no image can be asked for other organs among spleen" in capsys.readouterr().err
    config = write(asking(tree, tmp_path / "out", absent_phrases="other organ"), tmp_path / "a.yaml")
    assert run(evaluate_command, ["--config", str(config)]) == BAD_INPUT
    assert "absent_phrases" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_prediction_takes_the_same_config_and_leaves_the_settings_aside(
    tree: dict[str, Any], tmp_path: Path, two_organs: Path
) -> None:
    image = next((two_organs / "test_image").iterdir())
    config = tmp_path / "test.yaml"
    whole = asking(tree, tmp_path / "out", absent_phrases="other organs") | {"phrase_book": "book.yaml"}
    config.write_text(yaml.safe_dump(whole), encoding="utf-8")
    arguments = [str(image), "--prompt", "cyst", "--config", str(config), "--output", str(tmp_path / "predicted")]
    assert run(predict_command, arguments) == 0
