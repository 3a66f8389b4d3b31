"""Output folders: nothing of the user's is overwritten, nothing of ours is half written."""

import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gdinousam.errors import InputError
from gdinousam.folders import (
    CONFIG_COPY,
    begin_replacement,
    finish_replacement,
    replaced_folder,
    run_folder,
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
    with run_folder(folder, "output") as made:
        assert made == folder
    assert folder.is_dir() and content(folder) == {}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    with run_folder(tmp_path, "output") as folder:
        assert folder == tmp_path


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    folder = fill(tmp_path / "run", "old", CONFIG_COPY)
    line = rf"^training.output_dir: {folder} holds an earlier run; .*--overwrite$"
    with pytest.raises(InputError, match=line), run_folder(folder, "training.output_dir"):
        pass
    assert content(folder) == {CONFIG_COPY: "old"}


def test_overwriting_empties_an_earlier_run(tmp_path: Path) -> None:
    folder = fill(fill(tmp_path / "run", "old", CONFIG_COPY), "old")
    with run_folder(folder, "output", overwrite=True):
        pass
    assert content(folder) == {}


def test_overwriting_never_removes_what_is_no_run(tmp_path: Path) -> None:
    folder = fill(tmp_path / "thesis", "years of work")
    with pytest.raises(InputError, match="is not a run of ours"), run_folder(folder, "output", overwrite=True):
        pass
    assert content(folder) == {"weights": "years of work"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_file_is_not_taken_for_a_folder(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(InputError, match="name another folder"), run_folder(path, "output", overwrite):
        pass
    assert path.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = r"^output: cannot write to .*file/run \(Not a directory\); name another"
    with pytest.raises(InputError, match=line), run_folder(tmp_path / "file" / "run", "output"):
        pass


def test_what_a_killed_program_left_does_not_make_a_folder_a_run(tmp_path: Path) -> None:
    for name in (".run.lock", ".run.owner", ".config.yaml.new"):
        (tmp_path / name).touch()
    with run_folder(tmp_path, "output"):
        assert not (tmp_path / ".config.yaml.new").exists()
    assert content(tmp_path) == {}


def test_a_run_that_was_being_removed_makes_room_without_being_asked_again(tmp_path: Path) -> None:
    folder = fill(fill(tmp_path / "run", "old", ".removed"), "half of what was there", "rows.csv")
    with run_folder(folder, "output"):
        assert not (folder / "rows.csv").exists()
    assert content(folder) == {}


def test_resuming_changes_nothing_and_makes_nothing(tmp_path: Path) -> None:
    folder = fill(tmp_path / "run", "old", CONFIG_COPY)
    with run_folder(folder, "output", resume=True), run_folder(tmp_path / "none", "output", resume=True) as none:
        assert (folder / CONFIG_COPY).read_text() == "old" and not none.exists()
    assert content(folder) == {CONFIG_COPY: "old"}


def test_a_replaced_folder_changes_at_once(tmp_path: Path) -> None:
    folder = fill(tmp_path / "best", "old")
    with replaced_folder(folder) as new:
        fill(new, "new")
        assert content(folder) == {"weights": "old"}
    assert content(folder) == {"weights": "new"}
    assert list(tmp_path.iterdir()) == [folder]


def test_folders_of_the_user_beside_the_output_are_left_alone(tmp_path: Path) -> None:
    mine = [fill(tmp_path / name, "years of work") for name in ("scans.new", "scans.old")]
    fill(tmp_path / "scans", "old")
    with replaced_folder(tmp_path / "scans") as new:
        fill(new, "new")
    assert [content(folder) for folder in mine] == [{"weights": "years of work"}] * 2


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


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0o002, 0o664)])
def test_weights_are_as_readable_as_the_umask_says(tmp_path: Path, umask: int, mode: int) -> None:
    earlier = os.umask(umask)
    try:
        with replaced_folder(tmp_path / "best") as new:
            save_file({"x": torch.ones(2)}, new / "model.safetensors")
            (new / "script.sh").touch(0o700)
        begin_replacement(tmp_path / "state").joinpath("part").mkdir()
        save_file({"x": torch.ones(2)}, tmp_path / "state.new" / "part" / "trained.safetensors")
        finish_replacement(tmp_path / "state")
    finally:
        os.umask(earlier)
    for path in (tmp_path / "best" / "model.safetensors", tmp_path / "state" / "part" / "trained.safetensors"):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "best" / "script.sh").stat().st_mode) == 0o700 | mode
