"""``python test.py`` beyond a plain run: going on, several processes, masks of other programs, other mask heads."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from benchmarks.parity.weights import fill_by_rule
from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.test import evaluate_command
from gdinousam.evaluation.scoring.notes import weights_remarks
from gdinousam.evaluation.scoring.results import Results, read_results
from gdinousam.evaluation.scoring.rows import ScoreRow, read_rows

ROOT = Path(__file__).parents[1]
BLACK_SCORES = {"score": 0.0, "seconds": 0.0, "detected_boxes": (), "box_iou": 0.0, "num_detections": 0}


@pytest.fixture
def config_path(tmp_path: Path, phantom_data: Path, small_detector: Path, small_mask_head: Path) -> Path:
    tree = {
        "data": {
            "test_dir": str(phantom_data / "test_image"),
            "test_ann": str(phantom_data / "test.CSV"),
            "test_masks": str(phantom_data / "test_mask"),
            "num_workers": 1,
        },
        "resize": {"size": 64},
        "model": {"detector": str(small_detector), "mask_head": str(small_mask_head)},
        "prediction": {"box_threshold": 0.0},
        "evaluation": {"output_dir": str(tmp_path / "out"), "num_pictures": 0, "save_masks": True, "device": "cpu"},
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def evaluated(config_path: Path, folder: Path, *arguments: str) -> Results:
    """The results of the command with its output in a folder."""
    command = ["--config", str(config_path), "--set", f"evaluation.output_dir={folder}", *arguments]
    assert run(evaluate_command, command) == 0
    return read_results(folder)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the command says of a mistake: one line on stderr."""
    capsys.readouterr()
    assert run(evaluate_command, [str(one) for one in arguments]) == BAD_INPUT
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1, said
    return said.err


def without(rows: Sequence[ScoreRow], **same: object) -> str:
    return repr([replace(row, **same) for row in rows])


def without_seconds(path: Path) -> list[str]:
    """The lines of a file of rows, byte for byte but for one column."""
    lines = path.read_bytes().decode("utf-8").split("\r\n")
    place = lines[0].split(",").index("seconds")
    return [",".join(cell for number, cell in enumerate(line.split(",")) if number != place) for line in lines]


def test_the_results_say_what_they_are_of(config_path: Path, tmp_path: Path) -> None:
    results = evaluated(config_path, tmp_path / "out", "--set", "evaluation.method=Mine")
    assert (results.method, results.needs, results.device) == ("Mine (small)", ("text",), "cpu")
    assert {"torch", "transformers", "timm", "monai"} <= results.libraries.keys()
    assert results.seconds_total is not None and results.seconds_total > 0
    notes = json.loads((tmp_path / "out/method.json").read_text(encoding="utf-8"))
    assert notes["num_rows"] == len(results.rows) > 0
    assert (notes["method"], notes["weights"], notes["reference"]) == ("Mine", "small", False)


def test_a_kernel_of_cuda_is_not_asked_for_on_a_processor(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, "--config", config_path, "--set", "evaluation.deformable_kernel=triton")
    assert "deformable_kernel is triton, which runs on CUDA only, not on cpu; set it to auto" in said
    assert not (tmp_path / "out").exists()


def test_a_stopped_evaluation_goes_on_to_the_same_file(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(config_path, tmp_path / "whole")
    stopped = tmp_path / "stopped"
    evaluated(config_path, stopped)
    content = (stopped / "rows.csv").read_bytes()
    # What a killed run leaves: some images, with their numbers, and the beginning of a line.
    lines = content.splitlines(keepends=True)
    whole_images = [line for line in lines[1:] if line.split(b",")[2] == lines[1].split(b",")[2]]
    (stopped / "rows.csv").unlink()
    beginning = b"1," + lines[len(whole_images) + 1][:9]
    (stopped / "rows.csv.part").write_bytes(
        b"number," + lines[0] + b"".join(b"0," + line for line in whole_images) + beginning
    )
    (stopped / "tables.md").unlink()

    said = refusal(capsys, "--config", config_path, "--set", f"evaluation.output_dir={stopped}")
    assert "did not finish; go on with it by --resume, or replace it by --overwrite" in said
    evaluated(config_path, stopped, "--resume")
    assert without_seconds(stopped / "rows.csv") == without_seconds(tmp_path / "whole/rows.csv")
    assert (stopped / "tables.md").read_text() == (tmp_path / "whole/tables.md").read_text()
    assert not list(stopped.glob("*.part*"))


def test_a_stopped_evaluation_does_not_go_on_under_another_config(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(config_path, tmp_path / "out")
    (tmp_path / "out/rows.csv").unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}
    resumed = ["--config", config_path, "--resume"]
    assert "(prediction.box_threshold in config.yaml, thresholds in method.json)" in refusal(
        capsys, *resumed, "--set", "prediction.box_threshold=0.1"
    )
    assert "data.max_images in config.yaml, num_images in data.json" in refusal(
        capsys, *resumed, "--set", "data.max_images=2"
    )
    assert "one of them" in refusal(capsys, *resumed, "--overwrite")
    assert "no evaluation to go on with" in refusal(
        capsys, *resumed, "--set", f"evaluation.output_dir={tmp_path / 'none'}"
    )
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}


def test_a_finished_evaluation_resumed_only_writes_its_tables_again(config_path: Path, tmp_path: Path) -> None:
    evaluated(config_path, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}
    (tmp_path / "out/tables.md").unlink()
    evaluated(config_path, tmp_path / "out", "--resume")
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}


def test_saved_masks_scored_again_have_the_same_scores_and_no_model_is_needed(
    config_path: Path, tmp_path: Path
) -> None:
    first = evaluated(config_path, tmp_path / "out", "--set", "prediction.max_detections=1")
    tree = yaml.safe_load(config_path.read_text(encoding="utf-8"))
    del tree["model"], tree["prediction"]
    tree["evaluation"] |= {"method": "Other", "needs": ["box", "text"], "save_masks": False}
    config_path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    again = evaluated(config_path, tmp_path / "again", "--predictions", str(tmp_path / "out/masks"))
    assert (again.method, again.needs, again.seconds_total) == ("Other (small)", ("box", "text"), None)
    assert "torch" not in again.libraries
    # A detection whose mask is empty is nothing found in a folder of masks; the scores are the same.
    assert {row.dice for row in first.rows} != {0.0}
    kept = {**BLACK_SCORES, "found": False}
    assert without([row for row in again.rows if row.protocol == "strict"], **kept) == without(
        [row for row in first.rows if row.protocol == "strict"], **kept
    )


def test_masks_of_another_program_need_its_name_and_must_fit(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    given = ["--config", config_path, "--predictions", folder]
    assert "evaluation.method" in refusal(capsys, *given)
    said = refusal(capsys, *given, "--set", "evaluation.method=Theirs")
    assert "missing: " in said and "STEM.SLUG.png" in said
    assert "evaluation.needs is for masks of another program" in refusal(
        capsys, "--config", config_path, "--set", "evaluation.needs=[box]"
    )
    assert not (tmp_path / "out").exists()


def test_settings_of_saved_masks_are_kept_and_said(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = evaluated(config_path, tmp_path / "out", "--set", "prediction.max_detections=1")
    assert "saved_masks is for masks of another program" in refusal(
        capsys, "--config", config_path, "--set", "saved_masks.missing=nothing"
    )
    masks = sorted((tmp_path / "out/masks").iterdir())
    masks[0].unlink()
    given = ["--predictions", str(tmp_path / "out/masks"), "--set", "evaluation.method=Theirs"]
    evaluation = ["--config", config_path, *given, "--set", f"evaluation.output_dir={tmp_path / 'again'}"]
    assert f"1 missing: {masks[0].name}. " in refusal(capsys, *evaluation)
    again = evaluated(config_path, tmp_path / "again", *given, "--set", "saved_masks.missing=nothing")
    remark = f"1 of {len(masks)} masks are not there: nothing found."
    # the masks that our small model left say of themselves whose they are
    assert set(again.notes.remarks) == {*weights_remarks("small"), remark, *first.trace.remarks()}
    assert remark in (tmp_path / "again/tables.md").read_text()
    kept = yaml.safe_load((tmp_path / "again/config.yaml").read_text(encoding="utf-8"))
    assert kept["saved_masks"]["missing"] == "nothing"
    assert len(again.rows) == len(first.rows)
    allowed = ["--set", "saved_masks.missing=nothing", "--resume"]
    evaluated(config_path, tmp_path / "again", *given, *allowed)
    assert "saved_masks.unknown in config.yaml" in refusal(
        capsys, *evaluation, *allowed, "--set", "saved_masks.unknown=ignore"
    )


def test_without_models_or_masks_nothing_can_be_scored(config_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "name model.detector and model.mask_head, or masks" in refusal(
        capsys, "--config", config_path, "--set", "model=null"
    )


def small_sam() -> SamModel:
    """SAM of two thin layers for images of 128 x 128 pixels, with random weights."""
    vision = SamVisionConfig(
        hidden_size=32,
        output_channels=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=128,
        window_size=4,
        global_attn_indexes=[1],
        num_pos_feats=16,
    )
    prompt = SamPromptEncoderConfig(hidden_size=32, image_size=128)
    decoder = SamMaskDecoderConfig(hidden_size=32, mlp_dim=64, num_attention_heads=4, iou_head_hidden_dim=32)
    model = SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))
    fill_by_rule(model)
    return model


def test_sam_and_medsam_are_mask_heads_by_config(config_path: Path, tmp_path: Path) -> None:
    masks = []
    for name in ("sam_vit_b", "medsam_vit_b"):  # the name tells how images are prepared
        head = tmp_path / "heads" / name
        small_sam().save_pretrained(head)
        rows = evaluated(config_path, tmp_path / f"out_{name}", "--set", f"model.mask_head={head}").rows
        assert rows and any(row.predicted_pixels for row in rows)
        masks.append([row.predicted_pixels for row in rows])
    assert masks[0] != masks[1]


def test_the_batch_size_changes_no_mask_and_scores_in_their_last_digits_only(config_path: Path, tmp_path: Path) -> None:
    rows_of = [
        evaluated(config_path, tmp_path / str(size), "--set", f"data.batch_size={size}", "--overwrite").rows
        for size in (1, 3, 4)
    ]
    for rows in rows_of[1:]:
        for row, single in zip(rows, rows_of[0], strict=True):
            assert (row.dice, row.predicted_pixels) == (single.dice, single.predicted_pixels)
            assert row.score == pytest.approx(single.score, abs=1e-5)
            assert row.detected_boxes[0] == pytest.approx(single.detected_boxes[0], abs=1e-3)


def test_bfloat16_is_noted_and_changes_last_digits_only(config_path: Path, tmp_path: Path) -> None:
    exact = evaluated(config_path, tmp_path / "exact")
    low = evaluated(config_path, tmp_path / "low", "--set", "evaluation.precision=bfloat16")
    assert [row.score for row in exact.rows] != [row.score for row in low.rows]
    for row, other in zip(exact.rows, low.rows, strict=True):
        assert row.score == pytest.approx(other.score, abs=0.05, nan_ok=True)
    for folder, precision in (("exact", "float32"), ("low", "bfloat16")):
        notes = json.loads((tmp_path / folder / "method.json").read_text(encoding="utf-8"))
        assert notes["precision"] == precision


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2])
def test_two_processes_give_the_rows_of_one(config_path: Path, tmp_path: Path, batch_size: int) -> None:
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the two will have: sums of several threads differ in the last digit
    evaluated(config_path, tmp_path / "one", "--set", f"data.batch_size={batch_size}")
    torch.set_num_threads(num_threads)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["test.py", "--config", str(config_path), "--set", f"evaluation.output_dir={tmp_path / 'two'}"]
    command += ["--set", f"data.batch_size={batch_size}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert without_seconds(tmp_path / "two/rows.csv") == without_seconds(tmp_path / "one/rows.csv")
    assert len(read_rows(tmp_path / "two/rows.csv")) > 4
    assert (tmp_path / "two/tables.md").read_text() == (tmp_path / "one/tables.md").read_text()
    assert done.stdout.count("rows, tables and pictures in") == 1
    names = [sorted(path.name for path in (tmp_path / one).rglob("*")) for one in ("one", "two")]
    assert names[0] == names[1]


def test_the_test_is_limited_to_named_datasets(
    config_path: Path, tmp_path: Path, phantom_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (phantom_data / "test.CSV").read_text(encoding="utf-8").splitlines()
    last = lines[-1].split(",")[lines[0].split(",").index("image_name")]
    lines = [line.replace(",phantom,", ",other,") if last in line else line for line in lines]
    (tmp_path / "two.CSV").write_text("\n".join(lines) + "\n", encoding="utf-8")
    # one image at a time: another batch changes the last digits
    settings = (f"data.test_ann={tmp_path / 'two.CSV'}", "data.batch_size=1", "prediction.batch_size=1")
    two = [part for one in settings for part in ("--set", one)]
    whole = evaluated(config_path, tmp_path / "whole", *two)
    for names in (["phantom"], ["other", "phantom"]):
        folder = tmp_path / names[0]
        part = evaluated(config_path, folder, *two, "--set", f"data.datasets={json.dumps(names)}")
        assert without(part.rows, seconds=0) == without([row for row in whole.rows if row.dataset in names], seconds=0)
        assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["data"]["datasets"] == names
    out = f"evaluation.output_dir={tmp_path / 'phantom'}"
    said = refusal(capsys, "--config", config_path, *two, "--set", out, "--resume")
    assert "data.datasets in config.yaml" in said
    said = refusal(capsys, "--config", config_path, *two, "--set", "data.datasets=[phantoms]")
    assert "no image of dataset 'phantoms' (data.datasets); it has: phantom, other" in said
