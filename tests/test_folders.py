"""Output folders: nothing of the user's is overwritten, nothing of ours is half written."""

from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.folders import (
    CONFIG_COPY,
    begin_replacement,
    finish_replacement,
    new_output_folder,
    replaced_folder,
    surviving_folder,
)


def fill(folder: Path, content: str, name: str = "weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    return folder


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_new_folder_is_made_with_its_parents_and_empty(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    assert new_output_folder(folder, "output") == folder
    assert folder.is_dir() and content(folder) == {}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert new_output_folder(tmp_path, "output") == tmp_path


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    folder = fill(tmp_path / "run", "old", CONFIG_COPY)
    with pytest.raises(InputError, match=rf"^training.output_dir: {folder} holds an earlier run; .*--overwrite$"):
        new_output_folder(folder, "training.output_dir")
    assert content(folder) == {CONFIG_COPY: "old"}


def test_overwriting_empties_an_earlier_run(tmp_path: Path) -> None:
    folder = fill(fill(tmp_path / "run", "old", CONFIG_COPY), "old")
    new_output_folder(folder, "output", overwrite=True)
    assert content(folder) == {}


def test_overwriting_never_removes_what_is_no_run(tmp_path: Path) -> None:
    folder = fill(tmp_path / "thesis", "years of work")
    with pytest.raises(InputError, match="is no run of ours"):
        new_output_folder(folder, "output", overwrite=True)
    assert content(folder) == {"weights": "years of work"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_file_is_not_taken_for_a_folder(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(InputError, match="name another folder"):
        new_output_folder(path, "output", overwrite)
    assert path.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^output: cannot write to .*file/run \(Not a directory\); name another"):
        new_output_folder(tmp_path / "file" / "run", "output")


def test_a_replaced_folder_changes_at_once(tmp_path: Path) -> None:
    folder = fill(tmp_path / "best", "old")
    with replaced_folder(folder) as new:
        fill(new, "new")
        assert content(folder) == {"weights": "old"}
    assert content(folder) == {"weights": "new"}
    assert list(tmp_path.iterdir()) == [folder]


def test_an_error_while_replacing_keeps_the_earlier_content(tmp_path: Path) -> None:
    folder = fill(tmp_path / "best", "old")
    with pytest.raises(KeyError), replaced_folder(folder) as new:
        fill(new, "half")
        raise KeyError
    assert content(folder) == {"weights": "old"}
    assert list(tmp_path.iterdir()) == [folder]


def test_what_a_killed_program_left_is_no_part_of_the_next_replacement(tmp_path: Path) -> None:
    folder = fill(tmp_path / "state", "old")
    fill(begin_replacement(folder), "half", "half")
    fill(begin_replacement(folder), "new")
    finish_replacement(folder)
    assert content(folder) == {"weights": "new"}


def test_the_earlier_content_survives_a_kill_between_the_renames(tmp_path: Path) -> None:
    folder = fill(tmp_path / "state", "old")
    fill(begin_replacement(folder), "new")
    folder.rename(tmp_path / "state.old")
    assert content(surviving_folder(folder)) == {"weights": "old"}
    fill(begin_replacement(folder), "newer")
    assert content(surviving_folder(folder)) == {"weights": "old"}
    finish_replacement(folder)
    assert surviving_folder(folder) == folder and content(folder) == {"weights": "newer"}


def test_the_newer_of_two_whole_folders_survives(tmp_path: Path) -> None:
    folder = fill(tmp_path / "state", "new")
    fill(tmp_path / "state.old", "old")
    assert surviving_folder(folder) == folder
