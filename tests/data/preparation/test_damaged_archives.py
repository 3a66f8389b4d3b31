"""Damaged archives and notes of a preparation: read, or refused in one line; nothing outside the data is touched."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from damage import FEW_OR_MANY, changed_json, num_refused, refusal

from gdinousam.data.preparation.archives import is_archive, unpacked
from gdinousam.data.preparation.commit import LISTS, PLAN, collecting, written_files
from gdinousam.errors import InputError

FILES = {"images/1.png": b"one" * 50, "images/2.png": bytes(range(256)), "notes.txt": b"notes\n" * 40}


def zipped(method: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", method) as file:
            for name, content in FILES.items():
                file.writestr(name, content)

    return write


def tarred(mode: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
            for name, content in FILES.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))

    return write


ARCHIVES: dict[str, Callable[[Path], None]] = {
    "stored.zip": zipped(zipfile.ZIP_STORED),
    "deflated.zip": zipped(zipfile.ZIP_DEFLATED),
    "bzip2.zip": zipped(zipfile.ZIP_BZIP2),
    "lzma.zip": zipped(zipfile.ZIP_LZMA),
    "plain.tar": tarred("w"),
    "gzip.tar.gz": tarred("w:gz"),
    "bzip2.tar.bz2": tarred("w:bz2"),
    "xz.tar.xz": tarred("w:xz"),
}


@pytest.mark.parametrize("count", FEW_OR_MANY)
@pytest.mark.parametrize("name", ARCHIVES)
def test_a_damaged_archive_is_unpacked_or_refused_in_one_line(tmp_path: Path, name: str, count: int) -> None:
    ARCHIVES[name](tmp_path / name)
    scratch = tmp_path / "inside" / "scratch"

    def unpack(path: Path) -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        unpacked(path, scratch, progress=False)

    assert num_refused(tmp_path / name, unpack, count)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["inside", name])


def test_a_compressed_tar_that_is_cut_off_is_an_archive_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "release.tar.gz"
    tarred("w:gz")(path)
    path.write_bytes(path.read_bytes()[:40])
    assert is_archive(path)
    with pytest.raises(InputError, match=r"release\.tar\.gz: damaged archive"):
        unpacked(path, tmp_path / "scratch", progress=False)
    shutil.move(path, tmp_path / "volume.nii.gz")
    assert not is_archive(tmp_path / "volume.nii.gz")


@pytest.mark.parametrize("name", ["../mine.png", "/etc/mine.png", "train/../../mine.png", "mine.png", "train/", "a/b"])
def test_what_no_preparation_writes_is_never_removed(tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    ready = data / ".busi.ready"
    ready.mkdir(parents=True)
    for own in (tmp_path / "mine.png", data / "mine.png"):
        own.write_text("mine")
    (ready / PLAN).write_text(json.dumps({"tag": "busi", "stale": [name]}))
    said = refusal(lambda: collecting(data, "stu").__enter__())
    assert said is not None and "which no preparation writes; remove the folder" in said
    assert (tmp_path / "mine.png").exists() and (data / "mine.png").exists()


def test_every_change_to_a_note_of_a_preparation_is_taken_or_refused(tmp_path: Path) -> None:
    report = tmp_path / LISTS / "busi.json"
    report.parent.mkdir()
    plan = tmp_path / ".busi.ready" / PLAN
    for _, content in changed_json({"files": ["train/busi_1.png"], "found": {"benign": 3}}):
        report.write_text(json.dumps(content))
        said = refusal(lambda: written_files(tmp_path, "busi"))
        assert said is None or "busi.json" in said
    report.unlink()
    for _, content in changed_json({"tag": "busi", "stale": ["train/busi_1.png"]}):
        plan.parent.mkdir(exist_ok=True)
        plan.write_text(json.dumps(content))

        def prepare() -> None:
            with collecting(tmp_path, "stu"):
                pass

        said = refusal(prepare)
        assert said is None or PLAN in said
