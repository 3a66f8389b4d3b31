"""The two commands that convert weights: one line on what was made, and one line with exit code 2 on a mistake."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from weight_files import official_grounding_dino, official_sam, published_lora, write

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.convert_checkpoint import convert_checkpoint_command
from gdinousam.commands.export_adapter import export_adapter_command
from gdinousam.commands.test import evaluate_command
from gdinousam.models.loading import load_detector, load_grounding_dino

ROOT = Path(__file__).parents[1]
Command = Callable[[Sequence[str] | None], int]


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def lora_file(small_detector: Path) -> Path:
    """A file like the published one, for the small detector."""
    return write(Path("lora.pth"), published_lora(load_grounding_dino(str(small_detector))[0]))


def said_by(capsys: pytest.CaptureFixture[str], command: Command, *arguments: object) -> str:
    """What a command says when all is well: one line on stdout."""
    capsys.readouterr()
    assert run(command, [str(argument) for argument in arguments]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    return printed.removesuffix("\n")


def error_of(capsys: pytest.CaptureFixture[str], command: Command, *arguments: object) -> str:
    """What a command says of a mistake: one line on stderr, nothing on stdout, exit code 2."""
    capsys.readouterr()
    assert run(command, [str(argument) for argument in arguments]) == BAD_INPUT == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    return said.err


@pytest.mark.parametrize("script", ["convert_checkpoint", "export_adapter"])
def test_help_answers_at_once(script: str) -> None:
    program = (
        f"import runpy, sys; sys.argv = [{script!r}, '--help']\n"
        f"try: runpy.run_path('scripts/{script}.py', run_name='__main__')\n"
        "except SystemExit as end: sys.exit(end.code or bool({'torch', 'transformers'} & sys.modules.keys()))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "example: python scripts/" in result.stdout and "exit code" in result.stdout


def test_the_published_lora_is_converted_and_named_for_a_config(
    small_detector: Path, lora_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_by(capsys, convert_checkpoint_command, lora_file, "ours", "--detector", small_detector)
    assert said == f"lora.pth is a LoRA file for {small_detector}: in a config, model.adapter: ours"
    load_detector(str(small_detector), "ours")


def test_an_adapter_is_merged_and_named_for_a_config(
    small_detector: Path, lora_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said_by(capsys, convert_checkpoint_command, lora_file, "ours", "--detector", small_detector)
    said = said_by(capsys, export_adapter_command, "ours", "merged")
    assert said == f"adapter ours merged into {small_detector}: in a config, model.detector: merged"
    load_detector("merged")


def test_a_sam_file_is_converted_and_named_for_a_config(capsys: pytest.CaptureFixture[str]) -> None:
    official_sam(Path("sam.pth"))
    said = said_by(capsys, convert_checkpoint_command, "sam.pth", "ours")
    assert said == "sam.pth is a SAM mask head: in a config, model.mask_head: ours"


def broken(kind: str, lora_file: Path) -> str:
    """Make what is given to the command unfit; returns what the message must say."""
    if kind == "truncated":
        lora_file.write_bytes(lora_file.read_bytes()[:-1000])
        return "lora.pth is cut off or no torch file"
    if kind == "missing":
        lora_file.unlink()
        return "lora.pth: no such weight file"
    if kind == "unknown":
        torch.save({"conv1.weight": torch.ones(3)}, lora_file)
        return "lora.pth holds 1 tensor (conv1.weight) of no model that we know"
    if kind == "no tensors":
        torch.save({"model": {}}, lora_file)
        return "lora.pth holds no table of weights"
    if kind == "without tokenizer":
        official_grounding_dino(Path()).rename(lora_file)
        Path("vocab.txt").unlink()
        return "comes without BERT's tokenizer"
    if kind == "output in use":
        Path("ours").mkdir()
        Path("ours/thesis.txt").write_text("mine")
        return "ours is in use; name a new folder"
    if kind == "another detector":
        tensors = torch.load(lora_file)["model"]
        write(lora_file, {name: t for name, t in tensors.items() if "encoder.layers.1." not in name}, rename=str)
        return "it is incomplete, or for another detector"
    return "these weights are not here and the hub cannot be reached"


@pytest.mark.parametrize(
    "kind",
    [
        *("truncated", "missing", "unknown", "no tensors", "without tokenizer"),
        *("output in use", "another detector", "no detector"),
    ],
)
def test_a_mistake_in_converting_is_one_line_and_leaves_nothing(
    small_detector: Path, lora_file: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    expected = broken(kind, lora_file)
    detector = "no-one/nothing" if kind == "no detector" else small_detector
    before = {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}
    arguments = [lora_file, "ours"] if kind == "without tokenizer" else [lora_file, "ours", "--detector", detector]
    assert expected in error_of(capsys, convert_checkpoint_command, *arguments)
    assert {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")} == before


def test_a_folder_that_is_no_conversion_is_never_overwritten(
    small_detector: Path, lora_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("mine")
    for command in (convert_checkpoint_command, export_adapter_command):
        arguments = (lora_file, "thesis", "--detector", small_detector, "--overwrite")
        assert "thesis is not a conversion of ours" in error_of(capsys, command, *arguments)
    assert Path("thesis/chapter.txt").read_text() == "mine"


def test_an_output_that_cannot_be_written_is_one_line(
    small_detector: Path, lora_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (convert_checkpoint_command, export_adapter_command):
        said = error_of(capsys, command, lora_file, lora_file / "ours", "--detector", small_detector)
        assert "cannot write to lora.pth/ours" in said


def test_a_published_lora_is_used_as_it_is(
    small_detector: Path, small_mask_head: Path, phantom_data: Path, lora_file: Path, tmp_path: Path
) -> None:
    config = tmp_path / "test.yaml"
    config.write_text(
        f"data: {{test_dir: {phantom_data}/test_image, test_ann: {phantom_data}/test.CSV, "
        f"test_masks: {phantom_data}/test_mask, num_workers: 1}}\n"
        f"model: {{detector: {small_detector}, adapter: {lora_file.resolve()}, mask_head: {small_mask_head}}}\n"
        f"resize: {{size: 64}}\nevaluation: {{output_dir: {tmp_path}/output, num_pictures: 0}}\n"
    )
    assert run(evaluate_command, ["--config", str(config)]) == 0
    assert (tmp_path / "output" / "rows.csv").is_file()
