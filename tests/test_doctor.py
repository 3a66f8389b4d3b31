"""``gdinousam doctor``: what it finds, what it advises, and that nothing that is broken ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.doctor import doctor_command
from gdinousam.models import bundled
from gdinousam.models.weights.checksums import SUMS

ROOT = Path(__file__).parents[1]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[str]:
    capsys.readouterr()
    assert run(doctor_command, arguments) == code
    return capsys.readouterr().out.splitlines()


def line_of(lines: list[str], text: str) -> str:
    (line,) = [line for line in lines if text in line]
    return line


def test_it_says_what_is_here_and_what_to_do(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    lines = said(capsys)
    headings = [line for line in lines[:-1] if not line.startswith(" ")]
    assert headings == ["versions:", "libraries:", "extras:", "devices:", "weights:", "folders:"]
    assert f"torch {torch.__version__}" in line_of(lines, "ok       torch ")
    assert line_of(lines, " small: bundled").startswith("  ok ")
    assert line_of(lines, " small-v1: bundled").startswith("  ok ")
    assert line_of(lines, "grounding-dino-tiny: ").endswith("-> gdinousam download grounding-dino-tiny")
    assert str(elsewhere) in line_of(lines, "working folder")
    assert lines[-1] == "the small model can run" and not any("broken" in line for line in lines)


def test_it_finds_weights_where_the_download_command_puts_them(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("grounding-dino-tiny", "sam2.1-hiera-large"):
        (elsewhere / "weights" / name).mkdir(parents=True)
    (elsewhere / "weights" / "grounding-dino-tiny" / SUMS).touch()
    lines = said(capsys)
    assert (
        line_of(lines, "grounding-dino-tiny: ").strip()
        == "ok       grounding-dino-tiny: in weights/grounding-dino-tiny"
    )
    assert "is not complete  -> gdinousam download sam2.1-hiera-large" in line_of(lines, "sam2.1-hiera-large: ")


def test_the_run_segments_an_image(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "--run")
    assert " ok " in line_of(lines, "a generated image in") and lines[-1] == "the small model can run"
    assert list(elsewhere.iterdir()) == []


def test_lost_weights_of_the_small_model_are_told_by_line_and_exit_code(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundled, "ASSETS", elsewhere)
    lines = said(capsys, code=BAD_INPUT)
    assert line_of(lines, " small: detector/model.safetensors").startswith("  broken ")
    assert lines[-1].startswith("the small model cannot run")


def test_lost_weights_of_the_first_edition_are_told_too_and_keep_the_small_model_from_nothing(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "small").symlink_to(bundled.bundled_folder("small"))
    (elsewhere / "small_v1" / "mask_head").mkdir(parents=True)
    monkeypatch.setattr(bundled, "ASSETS", elsewhere)
    lines = said(capsys)
    assert line_of(lines, " small: bundled").startswith("  ok ")
    line = line_of(lines, " small-v1: detector/model.safetensors, detector/config.json, mask_head/model.safetensors")
    assert line.startswith("  missing ") and line.endswith("-> install the package again")
    assert lines[-1] == "the small model can run"


def test_folders_that_cannot_be_written_are_named(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/1")  # refuses the superuser too
    line = line_of(said(capsys), "temporary files: /proc/1")
    assert line.startswith("  missing ") and "cannot be written" in line and "set TMPDIR" in line


@pytest.mark.parametrize(("name", "others"), [("torch", ("devices:", "weights:")), ("pydantic", ("folders:",))])
def test_a_broken_library_is_a_line_and_no_traceback(elsewhere: Path, name: str, others: tuple[str, ...]) -> None:
    broken = elsewhere / "broken"
    broken.mkdir()
    (broken / f"{name}.py").write_text("raise OSError('libgone.so.1: cannot open shared object file')")
    environment = os.environ | {"PYTHONPATH": f"{broken}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "gdinousam", "doctor", "--run"]
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert done.returncode == BAD_INPUT and "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert f"broken   {name}: OSError: libgone.so.1" in "\n".join(lines)
    assert all(heading in lines for heading in ("versions:", "libraries:", *others, "run:"))
    assert lines[-1].startswith("the small model cannot run")
