"""The command that prepares public datasets: what it prints, and one line and exit code 2 for what is wrong."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gdinousam.commands.common import run
from gdinousam.commands.prepare_dataset import prepare_dataset_command
from gdinousam.data.sources.public.registry import all_datasets, find_dataset

ROOT = Path(__file__).parents[1]


def write_stu(folder: Path, num_images: int = 10) -> Path:
    """A miniature of STU-Hospital: masks twice as large as the images."""
    (folder / "Hospital").mkdir(parents=True)
    random = np.random.default_rng(1)
    for number in range(1, num_images + 1):
        coarse = PIL.Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8))
        coarse.resize((128, 128), PIL.Image.Resampling.BICUBIC).save(folder / "Hospital" / f"Test_Image_{number}.png")
        mask = np.zeros((256, 256), dtype=np.uint8)
        mask[40 : 90 + number, 60:160] = 255
        PIL.Image.fromarray(mask).save(folder / "Hospital" / f"mask_{number}.png")
    return folder


def command(*arguments: object) -> int:
    return run(prepare_dataset_command, [str(argument) for argument in arguments])


def test_a_dataset_is_prepared_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_stu(tmp_path / "raw")
    assert command("stu", "--raw", tmp_path / "raw", "--out", tmp_path / "data", "--preview", tmp_path / "a.png") == 0
    printed = capsys.readouterr().out
    assert "STU: grouped split, sha256 " in printed
    assert "tumor" in printed and "42" in printed
    assert "10  mask resized to the image" in printed
    assert (tmp_path / "a.png").is_file()
    assert len(list((tmp_path / "data" / "train").iterdir())) == 7


def test_the_list_names_all_eighteen_with_home_page_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--list") == 0
    printed = capsys.readouterr().out
    assert len(all_datasets()) == 18
    for dataset in all_datasets():
        assert f"{dataset.facts.name} ({dataset.facts.organ}, " in printed
        assert dataset.facts.homepage in printed
    assert printed.count("licence:") == 18


def test_all_prepares_every_release_below_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_stu(tmp_path / "raw" / "stu")
    shutil.make_archive(str(tmp_path / "raw" / "again"), "zip", tmp_path / "raw" / "stu")
    (tmp_path / "raw" / "notes").mkdir()
    assert command("--all", tmp_path / "raw", "--out", tmp_path / "data") == 0
    assert capsys.readouterr().out.count("STU: grouped split") == 2
    assert sorted(path.name for path in (tmp_path / "data").iterdir() if path.is_dir()) == sorted(
        ["splits", "test_image", "test_mask", "train", "train_mask", "val", "val_mask"]
    )


def test_all_goes_on_after_a_dataset_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_stu(tmp_path / "raw" / "a_broken")
    (tmp_path / "raw" / "a_broken" / "Hospital" / "mask_2.png").unlink()
    write_stu(tmp_path / "raw" / "b_sound")
    assert command("--all", tmp_path / "raw", "--out", tmp_path / "data") == 2
    captured = capsys.readouterr()
    assert "incomplete download of STU" in captured.err and "not prepared: STU" in captured.err
    assert "STU: grouped split" in captured.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["BUSSI", "--raw", "x"], "did you mean BUSI"),
        (["STU", "--raw", "missing"], "missing: no such folder or archive"),
        (["--all", "missing"], "missing: no such folder"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(*arguments, "--out", "data") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["STU"], ["STU", "--raw", "x", "--all", "y"]])
def test_arguments_that_do_not_belong_together_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        prepare_dataset_command(arguments)
    assert error.value.code == 2


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path: Path) -> None:
    """The system refuses files beyond a size, which is how a full disk looks to the program."""
    write_stu(tmp_path / "raw")
    assert command("STU", "--raw", tmp_path / "raw", "--out", tmp_path / "data") == 0
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    finished = subprocess.run(
        [sys.executable, "scripts/prepare_dataset.py", "STU", "--raw", tmp_path / "raw", "--out", tmp_path / "data"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)),
    )
    assert finished.returncode == 2
    assert "STU could not be written (File too large); what was there is unchanged" in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("BUS-UCLM", "BUSUCLM"),
        ("busuclm", "BUSUCLM"),
        ("BUSUCML", "BUSUCLM"),
        ("mu-RegPro", "RegPro"),
        ("UDIAT", "BUSB"),
    ],
)
def test_a_dataset_is_found_by_any_of_its_names(name: str, dataset: str) -> None:
    assert find_dataset(name).facts.name == dataset
