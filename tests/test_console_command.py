"""``gdinousam COMMAND``: one name for all commands, the same as ``python -m gdinousam`` and the scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from gdinousam.__main__ import dispatch
from gdinousam.assets import example_configs
from gdinousam.commands.ablation import ablation_command
from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.describe_config import describe_config_command
from gdinousam.commands.learning_curve import learning_curve_command
from gdinousam.commands.operating_point import operating_point_command
from gdinousam.commands.predict import predict_command
from gdinousam.commands.pretrain_small import pretrain_command
from gdinousam.commands.prompt_study import prompt_study_command
from gdinousam.commands.serve import serve_command
from gdinousam.commands.table import commands
from gdinousam.commands.test import evaluate_command
from gdinousam.commands.train import test_command as command_after_training
from gdinousam.commands.train import train_command
from gdinousam.commands.train_baseline import train_baseline_command, what_tests
from gdinousam.experiments.config import TrainConfig, load_config
from gdinousam.models.bundled import BUNDLED

ROOT = Path(__file__).parents[1]
NAMES = [command.name for command in commands()]
MODULES = [command.module for command in commands()]
SCRIPTS = sorted([ROOT / "train.py", ROOT / "test.py", *ROOT.glob("scripts/*.py"), *ROOT.glob("baselines/*.py")])
# scripts of the folder benchmarks, which is not in the wheel, and the one that takes pictures for the docs
OF_THE_CHECKOUT = {"benchmark", "parity", "page_screenshots"}
WITH_SMALL = {
    "train": train_command,
    "test": evaluate_command,
    "operating_point": operating_point_command,
    "ablation": ablation_command,
}


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without any config in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def python(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def said_by(capsys: pytest.CaptureFixture[str], command: Callable[..., int], *arguments: str) -> str:
    """What a command prints that ends well."""
    capsys.readouterr()
    assert run(command, arguments) == 0
    return capsys.readouterr().out


def error_of(capsys: pytest.CaptureFixture[str], command: Callable[..., int], *arguments: str) -> str:
    """The one line that a command says of a mistake."""
    capsys.readouterr()
    assert run(command, arguments) == BAD_INPUT == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1, said
    return said.err.removeprefix("error: ").removesuffix("\n")


def test_the_help_lists_every_command_and_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from gdinousam.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: code = end.code\n"
        "sys.exit(code or bool({'torch', 'transformers', 'numpy', 'pydantic'} & sys.modules.keys()))"
    )
    done = python("-c", program)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: gdinousam COMMAND ...\n")
    assert [name for name in NAMES if f"\n  {name} " not in done.stdout] == []
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_without_a_command_the_help_is_shown_and_the_exit_code_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(dispatch, [], "gdinousam") == BAD_INPUT
    alone = capsys.readouterr().out
    assert alone == said_by(capsys, dispatch, "--help") == said_by(capsys, dispatch, "-h")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from gdinousam import __version__

    assert said_by(capsys, dispatch, "--version") == f"gdinousam {__version__}\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_command_shows_its_usage_under_the_name_that_was_typed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        dispatch([name, "--help"], "python -m gdinousam")
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert said.startswith(f"usage: python -m gdinousam {name} [-h]") and "python scripts/" not in said


def test_a_command_gets_its_arguments_and_its_exit_code_is_passed_on(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code in (
        (["phantoms", "made", "--train", "0", "--val", "0", "--test", "2"], 0),
        (["check", "made/test.CSV", "--images", "made/test_image"], 0),
        (["check", "none.CSV", "--images", "made/test_image"], BAD_INPUT),
    ):
        with pytest.raises(SystemExit) as ended:
            dispatch(arguments)
        assert ended.value.code == code
    said = capsys.readouterr()
    assert "2 test images in made" in said.out and "no problems" in said.out
    assert said.err.count("\n") == 1 and "none.CSV" in said.err


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("trian", "did you mean train?"),
        ("TEST", "did you mean test?"),
        ("prepare_dataset", "did you mean prepare?"),
        ("download_weights.py", "did you mean download?"),
        ("prompt-study", "did you mean study?"),
        ("convert_medical", "did you mean convert-medical?"),
        ("picture.png", "--help lists all commands"),
        ("", "--help lists all commands"),
    ],
)
def test_a_command_that_does_not_exist_is_one_line_with_the_nearest(
    typed: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert error_of(capsys, dispatch, typed, "--overwrite") == f"{typed!r} is not a command; {hint}"


def test_run_as_a_module_the_package_is_the_same_command() -> None:
    module = python("-m", "gdinousam", "train", "--help")
    script = python("train.py", "--help")
    assert module.returncode == script.returncode == 0
    assert module.stdout.startswith("usage: python -m gdinousam train [-h]")
    assert script.stdout.startswith("usage: python train.py [-h]")
    assert module.stdout.partition("\n\n")[2] == script.stdout.partition("\n\n")[2]


def test_every_command_module_runs_its_command_by_python_dash_m() -> None:
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda module: python("-m", f"gdinousam.commands.{module}", "--help"), MODULES)
    for command, done in zip(commands(), found, strict=True):
        assert done.returncode == 0 and done.stdout.startswith(f"usage: gdinousam {command.name} "), command
        assert f"gdinousam {command.name}" in (import_module(f"gdinousam.commands.{command.module}").__doc__ or "")


def test_every_module_with_a_main_is_a_sub_command() -> None:
    paths = (ROOT / "gdinousam" / "commands").glob("*.py")
    with_main = {path.stem for path in paths if "\ndef main(" in path.read_text(encoding="utf-8")}
    assert with_main == set(MODULES)
    assert len(set(NAMES)) == len(NAMES) == len(set(MODULES))


def test_every_script_calls_a_command_under_its_own_name() -> None:
    scripts = [path for path in SCRIPTS if path.stem not in OF_THE_CHECKOUT]
    assert len(scripts) > 25
    for path in scripts:
        assert f'main(program="python {path.relative_to(ROOT).as_posix()}"' in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("example", ["train", "test", "operating_point", "ablation"])
def test_the_small_model_has_a_config_in_every_folder(
    example: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = WITH_SMALL[example]
    here = yaml.safe_load(said_by(capsys, command, "--small", "--print-config"))
    paths = {value for key, value in here["data"].items() if key.endswith(("_dir", "_ann", "_masks")) and value}
    assert len(paths) > 2 and {Path(path).parent for path in paths} == {elsewhere / "multimodal-data"}
    assert "small" in here["model"].values()
    # in a checkout it is the same as to name the file
    monkeypatch.chdir(ROOT)
    config = "test" if example == "operating_point" else example
    named = said_by(capsys, command, "--config", f"configs/small/{config}.yaml", "--print-config")
    assert said_by(capsys, command, "--small", "--print-config") == named


def test_settings_replace_those_of_the_small_model(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--small", "--print-config", "--set", "data.test_ann=mine.CSV", "--set", "prediction.batch_size=3")
    config = yaml.safe_load(said_by(capsys, evaluate_command, *options))
    assert config["data"]["test_ann"] == str(elsewhere / "mine.CSV")
    assert config["prediction"]["batch_size"] == 3


@pytest.mark.parametrize("option", [[], ["--small"], ["--model", "small"], ["--small", "--set", "resize.size=160"]])
def test_predicting_needs_nothing_but_an_image_and_a_phrase(
    option: list[str], elsewhere: Path, phantom_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next((phantom_data / "test_image").iterdir())
    said = said_by(capsys, predict_command, str(image), "--prompt", "benign lesion", *option)
    assert f"{image}: benign lesion: " in said
    assert Path("predictions", f"{image.stem}_overlay.png").is_file()


def test_small_and_a_config_together_are_refused(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(train_command, ["--small", "--config", "mine.yaml"])
    assert ended.value.code == BAD_INPUT
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "arguments", "config", "has_small"),
    [
        (train_command, [], "configs/train_config.yaml", True),
        (evaluate_command, [], "configs/test_config.yaml", True),
        (operating_point_command, [], "configs/test_config.yaml", True),
        (ablation_command, [], "configs/ablation.yaml", True),
        (prompt_study_command, [], "configs/prompt_study.yaml", False),
        (pretrain_command, [], "configs/small/pretrain.yaml", False),
        (learning_curve_command, [], "configs/small/heart_curve.yaml", False),
    ],
)
def test_without_the_default_config_one_line_says_what_to_do(
    command: Callable[..., int],
    arguments: Sequence[str],
    config: str,
    has_small: bool,
    elsewhere: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = error_of(capsys, command, *arguments)
    assert said.startswith(f"{config} is not in this folder; ")
    assert "gdinousam config --examples configs" in said and "--config" in said
    assert ("--small" in said) == has_small
    assert list(elsewhere.iterdir()) == []


def test_a_setting_alone_changes_the_default_config_of_predicting(
    elsewhere: Path, phantom_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = str(phantom_data / "test_image"), "-p", "cyst", "--set", "resize.size=96"
    said = error_of(capsys, predict_command, *given)
    assert said.startswith("configs/test_config.yaml is not in this folder; ") and "--small" in said
    assert list(elsewhere.iterdir()) == []


def test_a_compared_method_is_named_by_its_config(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "name a config with --config" in error_of(capsys, train_baseline_command)
    assert said_by(capsys, describe_config_command, "--examples", "configs")
    config = "configs/baselines/train_unet.yaml"
    printed = said_by(capsys, train_baseline_command, "--config", config, "--print-config")
    assert yaml.safe_load(printed)["baseline"]["name"] == "unet"


def test_the_example_configs_are_copied_and_are_the_defaults_then(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_by(capsys, describe_config_command, "--examples", "configs") == "example configs in configs\n"
    examples = {path.relative_to(example_configs()) for path in example_configs().rglob("*.yaml")}
    assert len(examples) > 20
    for name in examples:
        assert Path("configs", name).read_bytes() == (example_configs() / name).read_bytes()
    config = yaml.safe_load(said_by(capsys, train_command, "--print-config"))
    assert config["data"]["train_ann"] == str(elsewhere / "multimodal-data" / "train.CSV")


def test_copying_the_examples_replaces_nothing(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("configs").mkdir()
    Path("configs/mine.yaml").write_text("mine")
    assert "exists already; name a new folder" in error_of(capsys, describe_config_command, "--examples", "configs")
    assert "exists already" in error_of(capsys, describe_config_command, "--examples", "configs/mine.yaml")
    assert error_of(capsys, describe_config_command, "--examples", "configs/mine.yaml/below")
    assert [path.name for path in Path("configs").iterdir()] == ["mine.yaml"]
    assert Path("configs/mine.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("program", "small", "expected"),
    [
        ("python train.py", False, "python test.py --set"),
        ("gdinousam train", False, "gdinousam test --set"),
        ("python -m gdinousam train", True, "python -m gdinousam test --small --set"),
    ],
)
def test_after_training_the_test_is_named_as_the_training_was(program: str, small: bool, expected: str) -> None:
    config = load_config(TrainConfig, ROOT / "configs" / "small" / "train.yaml")
    said = command_after_training(config, Path("runs/best"), program, small)
    assert said == f"{expected} model.detector=small --set model.adapter=runs/best --set model.mask_head=small"


def test_after_training_on_the_first_edition_the_test_names_its_mask_head() -> None:
    config = load_config(TrainConfig, ROOT / "configs" / "small" / "train.yaml", ["model.detector=small-v1"])
    said = command_after_training(config, Path("runs/best"), "gdinousam train", small=True)
    model = "--set model.detector=small-v1 --set model.adapter=runs/best --set model.mask_head=small-v1"
    assert said == f"gdinousam test --small {model}"


@pytest.mark.parametrize("command", [predict_command, serve_command])
def test_the_help_names_the_models_that_come_with_the_package(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command(["--help"])
    assert f"--model NAME {', '.join(BUNDLED)}, paper, " in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("python baselines/trainUNet.py", "python baselines/testUNet.py"),
        ("gdinousam train-baseline", "gdinousam test --config configs/baselines/test_unet.yaml"),
    ],
)
def test_after_training_a_compared_method_too(program: str, expected: str) -> None:
    assert what_tests(program, "unet") == expected
    named = expected.split()[-1]
    assert (ROOT / named).is_file()


def test_a_typo_behind_set_is_told_before_torch_is_loaded() -> None:
    program = (
        "import sys; from gdinousam.commands.test import evaluate_command; from gdinousam.commands.common import run; "
        "code = run(evaluate_command, ['--set', 'evaluation.output_dri=x']); "
        "sys.exit(10 * ('torch' in sys.modules) + code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    said = "error: --set: evaluation.output_dri is not a setting; did you mean evaluation.output_dir?\n"
    assert (done.returncode, done.stderr) == (2, said)
