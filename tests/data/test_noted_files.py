"""A run that goes on knows the files that it began with."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from gdinousam.data.contract.noted_files import FILES_NAME, note_files, require_noted_files
from gdinousam.data.contract.unchanged import checked_records
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord

Records = tuple[ImageRecord, ...]


@pytest.fixture
def data(tmp_path: Path, phantom_data: Path) -> Path:
    return Path(shutil.copytree(phantom_data, tmp_path / "data"))


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Path:
    """The folder of a run that has noted its data."""
    (tmp_path / "run").mkdir()
    note_files(tmp_path / "run", {"train": read(data)})
    return tmp_path / "run"


def read(data: Path) -> Records:
    return checked_records(data / "train.CSV", data / "train", data / "train_mask", lambda: None)


def require(run: Path, records: Records) -> None:
    require_noted_files(run, {"train": records}, "start again")


def later(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


def test_what_stays_is_gone_on_with(run: Path, data: Path) -> None:
    require(run, read(data))
    assert json.loads((run / FILES_NAME).read_text()).keys() == {"train images", "train masks"}


@pytest.mark.parametrize("folder", ["train", "train_mask"])
def test_one_changed_file_is_named(run: Path, data: Path, folder: str) -> None:
    path = sorted((data / folder).iterdir())[1]
    later(path)
    line = rf"^{run}: 1 of 16 files of the data have changed since the run began, such as {path}; .* or start again$"
    with pytest.raises(InputError, match=line):
        require(run, read(data))


def test_a_copy_of_the_data_is_the_same_data(
    run: Path, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gdinousam")
    copy = Path(shutil.copytree(data, tmp_path / "copy", copy_function=shutil.copyfile))
    for path in [*(copy / "train").iterdir(), *(copy / "train_mask").iterdir()]:
        later(path)
    require(run, read(copy))
    assert "taken for a copy" in caplog.text
    path = next((copy / "train_mask").iterdir())
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match="16 of 16 files"):
        require(run, read(copy))


def test_files_that_were_not_used_before_are_not_judged(run: Path, data: Path) -> None:
    note_files(run, {"train": read(data)[:2]})
    later(read(data)[5].path)
    require(run, read(data))


def test_a_run_of_an_older_version_is_not_judged(run: Path, data: Path) -> None:
    (run / FILES_NAME).unlink()
    later(read(data)[0].path)
    require(run, read(data))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"train images": 1}', '{"train images": {"a.png": [1]}}', "\udc80"]
)
def test_a_damaged_note_is_named(run: Path, data: Path, content: str) -> None:
    (run / FILES_NAME).write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match=rf"^{run / FILES_NAME}: not readable"):
        require(run, read(data))
