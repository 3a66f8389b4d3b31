"""Both MedCLIP-SAMs from config to tables, and what a user is told about settings that do not fit."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from method_runs import evaluated, tree_of, write

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.predict import predict_command
from gdinousam.commands.test import evaluate_command

RANDOM = "Weights are random: the numbers mean nothing."
SMALL = {"weights": "random-small", "sam": "random-small"}
FIRST = {"name": "medclip_sam", "num_channels": 6, **SMALL}
SECOND = {"name": "medclip_samv2", **SMALL}
both = pytest.mark.parametrize("baseline", [FIRST, SECOND], ids=["v1", "v2"])


@both
def test_numbers_of_random_weights_say_so(phantom_data: Path, tmp_path: Path, baseline: dict[str, Any]) -> None:
    results = evaluated(tree_of(phantom_data, tmp_path / "out", **baseline), tmp_path)
    assert results.method == "A (random)" and results.needs == ("text",) and results.notes.remarks == (RANDOM,)
    assert all(row.seconds > 0 for row in results.rows)
    about = json.loads((tmp_path / "out" / "method.json").read_text(encoding="utf-8"))
    assert about["weights"] == "random"


@both
def test_answers_to_absent_phrases_are_scored(phantom_data: Path, tmp_path: Path, baseline: dict[str, Any]) -> None:
    tree = tree_of(phantom_data, tmp_path / "out", **baseline)
    lines = (phantom_data / "test.CSV").read_text(encoding="utf-8").splitlines()
    header = lines[0].split(",")
    image = dict(zip(header, lines[1].split(","), strict=True))
    absent = {name: image[name] if name.startswith("image_") or name == "dataset" else "" for name in header}
    absent["label_name"] = "aneurysm"
    (tmp_path / "test.CSV").write_text("\n".join([*lines, ",".join(absent.values())]) + "\n", encoding="utf-8")
    tree["data"]["test_ann"] = str(tmp_path / "test.CSV")
    (row,) = [row for row in evaluated(tree, tmp_path).rows if not row.target_present and row.phrase == "aneurysm"]
    assert row.found  # the highest place of a map is always somewhere


@both
def test_a_run_that_goes_on_asks_for_no_map_again(phantom_data: Path, tmp_path: Path, baseline: dict[str, Any]) -> None:
    kept = tmp_path / "kept"
    tree = tree_of(phantom_data, tmp_path / "out", **baseline | {"kept_maps": str(kept)})
    plain = evaluated(tree, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in kept.iterdir()}
    assert len(before) == len([row for row in plain.rows if row.protocol == "strict"])
    tree["evaluation"]["output_dir"] = str(tmp_path / "again")
    tree["data"]["batch_size"] = 3
    again = evaluated(tree, tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in kept.iterdir()} == before
    scores = [[(row.image_name, row.phrase, row.dice) for row in results.rows] for results in (plain, again)]
    assert scores[0] == scores[1]
    # a map that was there before took no time
    assert all(math.isnan(row.seconds) for row in again.rows)


def test_a_run_does_not_go_on_with_other_sentences(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    sentences = tmp_path / "sentences.yaml"
    sentences.write_text("sentences: {cyst: A cyst.}", encoding="utf-8")
    tree = tree_of(phantom_data, tmp_path / "out", **FIRST | {"sentences": str(sentences)})
    evaluated(tree, tmp_path)
    evaluated(tree, tmp_path, "--resume")
    sentences.write_text("sentences: {cyst: Another cyst.}", encoding="utf-8")
    capsys.readouterr()
    assert run(evaluate_command, ["--config", str(tmp_path / "test.yaml"), "--resume"]) == BAD_INPUT
    assert "begun with something else (weights of the sentences in method.json)" in capsys.readouterr().err


@both
def test_an_image_of_the_user_s_is_segmented(phantom_data: Path, tmp_path: Path, baseline: dict[str, Any]) -> None:
    config = write(tree_of(phantom_data, tmp_path / "out", **baseline), tmp_path / "test.yaml")
    image = phantom_data / "test_image" / "test_00000.png"
    arguments = [str(image), "--prompt", "cyst", "--config", str(config), "--output", str(tmp_path / "found")]
    assert run(predict_command, arguments) == 0
    assert (tmp_path / "found" / "test_00000_cyst.png").is_file()


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (FIRST | {"num_channels": 0}, "baseline.num_channels"),
        (FIRST | {"sentences": "none.yaml"}, "none.yaml: no such file of sentences"),
        (FIRST | {"sam": "small"}, "small holds a SAM2 model; baseline.sam names a SAM"),
        (FIRST | {"weights": "none.bin"}, "none.bin: no such weight file"),
        (FIRST | {"layer": 3}, "baseline.layer is not a setting"),
        (SECOND | {"bottleneck": {"layer": 12}}, "baseline.bottleneck.layer = 12, but the image tower has 12 blocks"),
        (SECOND | {"organs": {"liver": {"layer": 99}}}, "baseline.organs.liver.layer = 99, but"),
        (SECOND | {"region": "otsu"}, "baseline.region"),
        (SECOND | {"threshold": 1.0}, "baseline.threshold"),
    ],
)
def test_wrong_settings_are_one_line(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, baseline: dict[str, Any], message: str
) -> None:
    config = write(tree_of(phantom_data, tmp_path / "out", **baseline), tmp_path / "test.yaml")
    assert run(evaluate_command, ["--config", str(config)]) == BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not (tmp_path / "out").exists()
