"""Archives of releases: unpacked where they should be, refused where they lead elsewhere."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from gdinousam.data.preparation.archives import is_archive, unpacked, with_lower_suffixes
from gdinousam.errors import InputError


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def make_tar(path: Path, members: list[tarfile.TarInfo], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as file:
        for member in members:
            file.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def tar_member(name: str, **settings: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = 3
    for key, value in settings.items():
        setattr(member, key, value)
    return member


def test_a_folder_without_archives_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    assert unpacked(tmp_path / "raw", tmp_path / "scratch") == tmp_path / "raw"
    assert not (tmp_path / "scratch").exists()


def test_a_zip_is_unpacked_into_the_scratch_folder(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"release/images/1.png": b"one"})
    folder = unpacked(archive, tmp_path / "scratch")
    assert (folder / "release" / "images" / "1.png").read_bytes() == b"one"


def test_a_compressed_tar_is_unpacked(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", [tar_member("images/1.png")])
    assert (unpacked(archive, tmp_path / "scratch") / "images" / "1.png").read_bytes() == b"xxx"


def test_an_archive_within_an_archive_is_unpacked_too(tmp_path: Path) -> None:
    inner = make_zip(tmp_path / "inner.zip", {"images/1.png": b"one"}).read_bytes()
    outer = make_zip(tmp_path / "outer.zip", {"data/inner.zip": inner})
    folder = unpacked(outer, tmp_path / "scratch")
    assert (folder / "data" / "inner" / "images" / "1.png").read_bytes() == b"one"
    assert not (folder / "data" / "inner.zip").exists()


def test_a_folder_of_archives_becomes_a_folder_of_their_contents(tmp_path: Path) -> None:
    for name in ("Benign", "Malignant"):
        make_zip(tmp_path / "raw" / f"{name}.zip", {f"{name}/image/1.jpg": name.encode()})
    (tmp_path / "raw" / "notes.txt").write_text("notes")
    folder = unpacked(tmp_path / "raw", tmp_path / "scratch")
    assert (folder / "Malignant" / "image" / "1.jpg").read_bytes() == b"Malignant"
    assert (folder / "notes.txt").read_text() == "notes"
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["Benign.zip", "Malignant.zip", "notes.txt"]


def test_an_archive_that_was_unpacked_by_hand_is_not_unpacked_again(tmp_path: Path) -> None:
    make_zip(tmp_path / "raw" / "Benign.zip", {"Benign/1.jpg": b"packed"})
    (tmp_path / "raw" / "Benign").mkdir()
    (tmp_path / "raw" / "Benign" / "1.jpg").write_bytes(b"by hand")
    folder = unpacked(tmp_path / "raw", tmp_path / "scratch")
    assert (folder / "Benign" / "1.jpg").read_bytes() == b"by hand"


def test_a_spreadsheet_is_not_taken_for_an_archive(tmp_path: Path) -> None:
    make_zip(tmp_path / "raw" / "table.xlsx", {"xl/workbook.xml": b"<workbook/>"})
    assert unpacked(tmp_path / "raw", tmp_path / "scratch") == tmp_path / "raw"


@pytest.mark.parametrize(
    "name", ["../outside.txt", "/outside.txt", "a/../../outside.txt", "..\\outside.txt", "C:/x.txt"]
)
def test_a_zip_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "bad.zip", {"fine.txt": b"fine", name: b"bad"})
    with pytest.raises(InputError, match="leads outside"):
        unpacked(archive, tmp_path / "deep" / "scratch")
    assert not list(tmp_path.rglob("outside.txt")) and not list(tmp_path.rglob("fine.txt"))


@pytest.mark.parametrize(
    "member",
    [
        tar_member("../outside.txt"),
        tar_member("/outside.txt"),
        tar_member("link", type=tarfile.SYMTYPE, linkname="/etc", size=0),
    ],
    ids=["up", "absolute", "link"],
)
def test_a_tar_that_leads_outside_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    archive = make_tar(tmp_path / "bad.tar", [tar_member("fine.txt"), member], mode="w")
    with pytest.raises(InputError, match="leads outside"):
        unpacked(archive, tmp_path / "deep" / "scratch")
    assert not list(tmp_path.rglob("*.txt"))


def test_a_truncated_zip_is_named_and_refused(tmp_path: Path) -> None:
    content = make_zip(tmp_path / "a.zip", {"1.bin": os.urandom(5000)}).read_bytes()
    damaged = content[:1000] + b"\0" * 200 + content[1200:]
    (tmp_path / "a.zip").write_bytes(damaged)
    with pytest.raises(InputError, match=r"a\.zip: damaged archive"):
        unpacked(tmp_path / "a.zip", tmp_path / "scratch")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rar").write_bytes(b"Rar!")
    assert not is_archive(tmp_path / "a.rar")
    with pytest.raises(InputError, match="unpack it and give its folder"):
        unpacked(tmp_path / "a.rar", tmp_path / "scratch")


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.zip: no such folder or archive"):
        unpacked(tmp_path / "nothing.zip", tmp_path / "scratch")


def test_a_zip_made_on_windows_is_unpacked_into_folders(tmp_path: Path) -> None:
    """Names with backslashes, as PowerShell 5 and .NET before 4.6 write them; a folder ends in one."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in {"release\\": b"", "release\\images\\1.png": b"one", "release\\2.png": b"two"}.items():
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            file.writestr(info, content)
    folder = unpacked(archive, tmp_path / "scratch")
    assert (folder / "release" / "images" / "1.png").read_bytes() == b"one"
    assert (folder / "release" / "2.png").read_bytes() == b"two"
    assert not [path for path in folder.rglob("*") if "\\" in path.name]


def test_a_tar_that_lists_its_own_folder_is_unpacked(tmp_path: Path) -> None:
    folder = tar_member("./", type=tarfile.DIRTYPE, mode=0o755)
    folder.size = 0
    archive = make_tar(tmp_path / "a.tar.gz", [folder, tar_member("./images/1.png")])
    assert (unpacked(archive, tmp_path / "scratch") / "images" / "1.png").read_bytes() == b"xxx"


def test_upper_case_suffixes_are_linked_in_lower_case(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "Images").mkdir(parents=True)
    (raw / "Images" / "Scan.1.PNG").write_bytes(b"one")
    (raw / "table.csv").write_bytes(b"two")
    folder = with_lower_suffixes(raw, tmp_path / "lower")
    assert (folder / "Images" / "Scan.1.png").read_bytes() == b"one" and (folder / "table.csv").read_bytes() == b"two"
    assert sorted(path.name for path in raw.rglob("*")) == ["Images", "Scan.1.PNG", "table.csv"]
    assert with_lower_suffixes(folder, tmp_path / "again") == folder and not (tmp_path / "again").exists()
    (raw / "Images" / "Scan.1.png").write_bytes(b"other")
    with pytest.raises(InputError, match="in two letter cases of its suffix"):
        with_lower_suffixes(raw, tmp_path / "both")
