"""Files that are replaced: whole or not there, whatever goes wrong."""

import csv
import errno
import os
import stat
from pathlib import Path

import pytest

from gdinousam.files import csv_file, replaced_file, write_json, write_text


def test_a_file_changes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    write_text(path, "old é\n")
    with replaced_file(path) as new:
        new.write_text("new")
        assert path.read_text(encoding="utf-8") == "old é\n"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("durable", [True, False])
def test_an_error_keeps_the_earlier_file_and_leaves_nothing(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(KeyError), replaced_file(path, durable) as new:
        new.write_text("half")
        raise KeyError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_program_left_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    (tmp_path / ".rows.csv.new").write_text("half a row")
    with replaced_file(path) as new, new.open("a") as file:
        file.write("a whole row")
    assert path.read_text() == "a whole row" and list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_system_names_the_file_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "notes.txt"
    with pytest.raises(FileNotFoundError) as raised:
        write_text(path, "text")
    assert raised.value.filename == str(path)
    path = tmp_path / "notes.txt"
    with pytest.raises(OSError, match="No space left") as raised_full, replaced_file(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as writing says it, without a name
    assert raised_full.value.filename == str(path)


def test_a_link_stays_one_and_its_target_changes(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere" / "notes.txt", tmp_path / "notes.txt"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new" and list(target.parent.iterdir()) == [target]


def test_what_is_no_file_is_written_as_it_is() -> None:
    write_text(Path(os.devnull), "text")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_json_and_csv(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "é", "number": 1})
    assert (tmp_path / "a.json").read_text() == '{\n  "name": "\\u00e9",\n  "number": 1\n}\n'
    with csv_file(tmp_path / "a.csv") as file:
        csv.writer(file).writerows([["é", "1,5"], ["b", "2"]])
    assert (tmp_path / "a.csv").read_bytes() == 'é,"1,5"\r\nb,2\r\n'.encode()
