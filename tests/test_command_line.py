"""The commands: they answer, and a user's mistake is one line that leaves nothing behind."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.predict import predict_command
from gdinousam.commands.test import evaluate_command
from gdinousam.commands.train import train_command
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.loading import load_grounding_dino
from gdinousam.runtime import torch_seed

ROOT = Path(__file__).parents[1]
Command = Callable[[Sequence[str] | None], int]


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the configs of this file write; does not exist yet."""
    return tmp_path / "output"


@pytest.fixture
def train_config(tmp_path: Path, phantom_data: Path, output: Path) -> Path:
    tree = {
        "data": {
            "train_dir": str(phantom_data / "train"),
            "train_ann": str(phantom_data / "train.CSV"),
            "num_workers": 0,
        },
        "resize": {"size": 64},
        "model": {"detector": "random-small"},
        "training": {"tune": "full", "output_dir": str(output), "num_epochs": 1, "sample_pictures_every": 0},
    }
    return write(tmp_path / "train.yaml", tree)


@pytest.fixture
def test_config(tmp_path: Path, phantom_data: Path, small_detector: Path, small_mask_head: Path, output: Path) -> Path:
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
        "evaluation": {"output_dir": str(output), "num_pictures": 0},
    }
    return write(tmp_path / "test.yaml", tree)


def write(path: Path, tree: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def error_of(capsys: pytest.CaptureFixture[str], command: Command, *arguments: object) -> str:
    """What a command says of a mistake: one line on stderr, nothing on stdout, exit code 2."""
    capsys.readouterr()
    assert run(command, [str(argument) for argument in arguments]) == BAD_INPUT == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and said.err.endswith("\n"), said.err
    return said.err.removeprefix("error: ").removesuffix("\n")


@pytest.mark.parametrize("command", [train_command, evaluate_command, predict_command])
def test_help_answers(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(command, ["--help"])
    assert ended.value.code == 0
    assert "--config" in capsys.readouterr().out


@pytest.mark.parametrize("script", ["train.py", "test.py", "scripts/predict.py"])
def test_help_answers_at_once(script: str) -> None:
    program = (
        f"import runpy, sys; sys.argv = [{script!r}, '--help']\n"
        f"try: runpy.run_path({script!r}, run_name='__main__')\n"
        "except SystemExit as end: sys.exit(end.code or bool({'torch', 'transformers'} & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True)
    assert (result.returncode, result.stderr) == (0, b"")


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}


def test_the_printed_config_loads_and_nothing_runs(
    train_config: Path, output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--print-config", "--set", "training.num_epochs=3"]
    assert run(train_command, ["--config", str(train_config), *arguments]) == 0
    printed = capsys.readouterr().out
    assert yaml.safe_load(printed)["training"]["num_epochs"] == 3
    again = tmp_path / "again.yaml"
    again.write_text(printed, encoding="utf-8")
    assert run(train_command, ["--config", str(again), "--print-config"]) == 0
    assert capsys.readouterr().out == printed
    assert not output.exists()


def test_the_printed_config_of_a_test_names_its_thresholds(
    test_config: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(evaluate_command, ["--config", str(test_config), "--print-config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["prediction"]["text_threshold"] == 0.3
    assert not output.exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.patients=3", "training.patients is not a setting; did you mean training.patience?"),
        ("training.num_epochs=0", "training.num_epochs = 0: input should be greater than or equal to 1"),
        ("data.train_ann=none.CSV", "none.CSV: no such CSV file"),
        ("data.train_ann=empty.CSV", "empty.CSV: no header in the first line"),
        ("training.output_dir=file/run", "cannot write to"),
        ("training.output_dir=used", "used holds an earlier run; name another folder or add --overwrite"),
        ("model.detector=./none", "none: no such folder or file; give weights on disk or a hub id"),
        ("model.detector=file", "file is cut off or no torch file"),
        ("model.detector=used", "used has no config.json"),
    ],
)
def test_a_mistake_in_training_is_one_line(
    train_config: Path, output: Path, capsys: pytest.CaptureFixture[str], setting: str, message: str
) -> None:
    Path("empty.CSV").touch()
    Path("file").touch()
    Path("used").mkdir()
    Path("used/notes.txt").write_text("mine")
    before = {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}
    assert message in error_of(capsys, train_command, "--config", train_config, "--set", setting)
    assert not output.exists()
    assert {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")} == before


@pytest.mark.parametrize("command", [train_command, evaluate_command])
def test_a_missing_config_is_one_line(capsys: pytest.CaptureFixture[str], command: Command) -> None:
    assert (
        error_of(capsys, command, "--config", "none.yaml") == "config none.yaml does not exist; give one with --config"
    )


def test_resuming_what_is_no_run_is_one_line(
    train_config: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "config none/config.yaml does not exist" in error_of(capsys, train_command, "--resume", "none")
    started = Path("started")
    started.mkdir()
    tree = yaml.safe_load(train_config.read_text(encoding="utf-8"))
    tree["training"]["output_dir"] = str(started.resolve())
    write(started / "config.yaml", tree)
    assert "has no state folder to resume from" in error_of(capsys, train_command, "--resume", started)
    assert not output.exists()


def test_overwriting_what_is_no_run_is_refused(train_config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("mine")
    arguments = ("--config", train_config, "--set", "training.output_dir=thesis", "--overwrite")
    assert "is not a run of ours" in error_of(capsys, train_command, *arguments)
    assert Path("thesis/chapter.txt").read_text() == "mine"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA GPU")
def test_a_gpu_that_is_not_there_is_one_line(
    train_config: Path, test_config: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, config, key in (
        (train_command, train_config, "training.device"),
        (evaluate_command, test_config, "evaluation.device"),
    ):
        said = error_of(capsys, command, "--config", config, "--set", f"{key}=cuda")
        assert said == "device is 'cuda' but torch finds no CUDA GPU here; set device to 'auto' or 'cpu'"
    assert not output.exists()


def test_problems_in_the_data_are_a_table(
    train_config: Path, phantom_data: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (phantom_data / "train.CSV").read_text(encoding="utf-8").splitlines()
    columns = lines[0].split(",")
    cells = lines[1].split(",")
    cells[columns.index("bbox_width")] = "-4"
    cells[columns.index("image_name")] = "none.png"
    Path("bad.CSV").write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n", encoding="utf-8")
    arguments = ["--config", str(train_config), "--set", "data.train_ann=bad.CSV"]
    assert run(train_command, arguments) == BAD_INPUT
    said = capsys.readouterr()
    assert said.err.startswith("error: problems in the data: 2\n") and said.out == ""
    assert "-4" in said.err and "none.png" in said.err
    assert not output.exists()


def broken_detector(folder: Path, kind: str) -> str:
    """Break a saved detector; returns what the message must say."""
    if kind == "truncated weights":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1000])
        return "cannot load"
    if kind == "a tensor too few":
        tensors = load_file(folder / "model.safetensors")
        del tensors["model.level_embed"]
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return "missing 1 tensor (model.level_embed); it is another architecture"
    if kind == "no weights":
        (folder / "model.safetensors").unlink()
        return "cannot load"
    if kind == "no tokenizer":
        for path in (*folder.glob("tokenizer*"), folder / "vocab.txt"):
            path.unlink(missing_ok=True)
        return "has no tokenizer (tokenizer.json or vocab.txt); save it beside the model"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if kind == "another model":
        (folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}), encoding="utf-8")
        return "holds a model of type 'bert'; expected grounding-dino"
    if kind == "another size":
        (folder / "config.json").write_text(json.dumps(config | {"num_queries": 7}), encoding="utf-8")
        return "size mismatch for weight"
    (folder / "config.json").write_text("{", encoding="utf-8")
    return "not readable as JSON"


@pytest.mark.parametrize(
    "kind",
    [
        *("truncated weights", "no weights", "a tensor too few", "no tokenizer"),
        *("another model", "another size", "broken config"),
    ],
)
def test_a_broken_detector_is_one_line(
    test_config: Path, small_detector: Path, output: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    folder = Path("detector")
    folder.mkdir()
    for path in small_detector.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    expected = broken_detector(folder, kind)
    said = error_of(capsys, evaluate_command, "--config", test_config, "--set", f"model.detector={folder}")
    assert expected in said and str(folder) in said
    assert not output.exists()


def test_a_detector_in_the_place_of_the_mask_head_is_one_line(
    test_config: Path, small_detector: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = error_of(capsys, evaluate_command, "--config", test_config, "--set", f"model.mask_head={small_detector}")
    assert "holds a model of type 'grounding-dino'; expected sam2" in said
    assert not output.exists()


@pytest.mark.parametrize("kind", ["another rank", "no adapter", "no weights", "truncated weights"])
def test_a_broken_adapter_is_one_line(
    test_config: Path, small_detector: Path, output: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    folder = Path("adapter")
    with torch_seed(0):
        add_lora(load_grounding_dino(str(small_detector))[0], LoraSettings(rank=2)).save_pretrained(
            str(folder), save_embedding_layers=False
        )
    settings, weights = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    if kind == "another rank":
        content = json.loads(settings.read_text(encoding="utf-8"))
        settings.write_text(json.dumps(content | {"r": 4}), encoding="utf-8")
    elif kind == "no adapter":
        settings.unlink()
    elif kind == "no weights":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-1000])
    said = error_of(capsys, evaluate_command, "--config", test_config, "--set", f"model.adapter={folder}")
    assert str(folder) in said
    assert not output.exists()


def test_predicting_writes_masks_and_reports_them(
    test_config: Path, phantom_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next((phantom_data / "test_image").iterdir())
    arguments = [str(image), "--prompt", "cyst", "--prompt", "benign lesion", "--config", str(test_config)]
    assert run(predict_command, [*arguments, "--output", "found"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["cyst", "benign lesion"]
    pictures = {f"{image.stem}_{what}.png" for what in ("overlay", "cyst", "benign_lesion")}
    tables = {"predictions.jsonl", "coco_images.json", "coco_results.json", "measurements.csv"}
    assert {path.name for path in Path("found").iterdir()} == pictures | tables


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png", "--prompt", "cyst"], "none.png: no such image file"),
        (["text.png", "--prompt", "cyst"], "text.png"),
        (["IMAGE", "--prompt", "?"], "no letter or digit"),
        (
            ["IMAGE", "--prompt", "cyst", "--set", "prediction.box_treshold=0.2"],
            "did you mean prediction.box_threshold?",
        ),
        (["IMAGE", "--prompt", "cyst", "--output", "text.png"], "cannot write to text.png"),
        (["IMAGE", "--prompt", "a b " * 35], "the model reads 64; shorten it"),
    ],
)
def test_a_mistake_in_predicting_is_one_line(
    test_config: Path, phantom_data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    Path("text.png").write_text("no image")
    image = str(next((phantom_data / "test_image").iterdir()))
    given = [image if one == "IMAGE" else one for one in arguments]
    assert message in error_of(capsys, predict_command, *given, "--config", test_config)
    assert not Path("predictions").exists()


def test_testing_prints_tables_and_keeps_rows(
    test_config: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(evaluate_command, ["--config", str(test_config)]) == 0
    printed = capsys.readouterr().out
    assert "strict" in printed and "paper" in printed and str(output) in printed
    assert {"config.yaml", "data.json", "rows.csv"} <= {path.name for path in output.iterdir()}
    again = error_of(capsys, evaluate_command, "--config", test_config)
    assert "holds an earlier run" in again
    assert run(evaluate_command, ["--config", str(test_config), "--overwrite"]) == 0


def test_a_hub_name_without_a_network_is_one_line_of_the_whole_program(train_config: Path, output: Path) -> None:
    command = [sys.executable, str(ROOT / "train.py"), "--config", str(train_config)]
    result = subprocess.run(
        [*command, "--set", "model.detector=nobody/nothing"], env=environment(), capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (BAD_INPUT, "")
    # other lines are of the log, such as that the data was checked before
    of_errors = [line for line in result.stderr.splitlines() if "error" in line]
    said = "error: nobody/nothing: these weights are not here and the hub cannot be reached; "
    assert len(of_errors) == 1 and of_errors[0].startswith(said) and "Traceback" not in result.stderr
    assert not output.exists()


def test_an_error_that_is_no_mistake_of_the_user_is_not_hidden() -> None:
    def broken(arguments: Sequence[str] | None) -> int:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        run(broken)


def test_control_c_is_told_to_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(arguments: Sequence[str] | None) -> int:
        raise KeyboardInterrupt

    assert run(stopped) == 130
    assert capsys.readouterr().err == "interrupted\n"
