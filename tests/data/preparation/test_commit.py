"""A dataset appears at once, takes only its own place, and an interrupted move is finished by the next one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gdinousam.data.contract import reading as contract
from gdinousam.data.preparation.commit import FILES, LISTS, collecting, commit, write_rows, written_files
from gdinousam.errors import InputError


def row(tag: str, number: int, **cells: str) -> contract.Row:
    box = dict(zip(contract.BOX_COLUMNS, "1234", strict=True))
    fixed = {contract.PHRASE: "cyst", **box, contract.IMAGE_NAME: f"{tag}_{number}.png"}
    return {**fixed, contract.IMAGE_WIDTH: "50", contract.IMAGE_HEIGHT: "50", contract.DATASET: tag, **cells}


def collect(folder: Path, tag: str, numbers: list[int], content: str = "new", **cells: str) -> None:
    """Fill a collecting folder with one file per number, all in train."""
    names = [f"train/{tag}_{number}.png" for number in numbers]
    for name in names:
        (folder / FILES / name).parent.mkdir(exist_ok=True)
        (folder / FILES / name).write_text(content)
    report = f"{LISTS}/{tag}.json"
    (folder / FILES / LISTS).mkdir()
    (folder / FILES / report).write_text(json.dumps({"files": [*names, report]}))
    write_rows(folder, "train", [row(tag, number, **cells) for number in numbers])
    write_rows(folder, "val", [])
    write_rows(folder, "test", [])


def prepare(data: Path, tag: str, numbers: list[int], content: str = "new", **cells: str) -> None:
    with collecting(data, tag) as folder:
        collect(folder, tag, numbers, content, **cells)
        commit(data, tag, folder)


def image_names(data: Path) -> list[str]:
    return list(contract.read_table(data / "train.CSV")[contract.IMAGE_NAME])


def snapshot(data: Path) -> dict[str, bytes]:
    files = [path for path in data.rglob("*") if path.is_file()]
    return {path.relative_to(data).as_posix(): path.read_bytes() for path in files}


def test_files_and_rows_come_into_place_and_nothing_else_is_left(tmp_path: Path) -> None:
    prepare(tmp_path, "busi", [1, 2])
    assert set(snapshot(tmp_path)) == {"train/busi_1.png", "train/busi_2.png", "train.CSV", "splits/busi.json"}
    assert image_names(tmp_path) == ["busi_1.png", "busi_2.png"]


def test_a_split_without_rows_has_no_csv(tmp_path: Path) -> None:
    prepare(tmp_path, "busi", [1])
    assert not (tmp_path / "val.CSV").exists()


def test_a_dataset_is_added_to_what_another_wrote(tmp_path: Path) -> None:
    prepare(tmp_path, "busi", [1])
    prepare(tmp_path, "stu", [1], mask_name="stu_1.png#255")
    assert image_names(tmp_path) == ["busi_1.png", "stu_1.png"]
    assert list(contract.read_table(tmp_path / "train.CSV")["mask_name"]) == ["", "stu_1.png#255"]


def test_preparing_again_replaces_rows_in_their_place_and_removes_stale_files(tmp_path: Path) -> None:
    for tag, numbers in (("busi", [1, 2]), ("stu", [7]), ("busi", [2, 3])):
        prepare(tmp_path, tag, numbers, content=f"{numbers}")
    assert image_names(tmp_path) == ["busi_2.png", "busi_3.png", "stu_7.png"]
    assert not (tmp_path / "train" / "busi_1.png").exists()
    assert (tmp_path / "train" / "busi_2.png").read_text() == "[2, 3]"


def test_preparing_the_same_twice_changes_nothing(tmp_path: Path) -> None:
    prepare(tmp_path, "busi", [1])
    prepare(tmp_path, "stu", [1])
    before = snapshot(tmp_path)
    prepare(tmp_path, "busi", [1])
    assert snapshot(tmp_path) == before


def test_a_csv_whose_last_rows_go_goes_too(tmp_path: Path) -> None:
    prepare(tmp_path, "busi", [1])
    prepare(tmp_path, "busi", [])
    assert not (tmp_path / "train.CSV").exists()


def test_rows_and_columns_of_a_user_stay_as_they_are(tmp_path: Path) -> None:
    own = ",".join(contract.COLUMNS) + ",scanner\ncyst,1,2,3,4,mine.png,50,50,mine,A\n"
    (tmp_path / "train.csv").write_text(own)
    prepare(tmp_path, "busi", [1])
    table = contract.read_table(tmp_path / "train.csv")
    assert list(table[contract.IMAGE_NAME]) == ["mine.png", "busi_1.png"]
    assert list(table["scanner"]) == ["A", ""]
    assert not (tmp_path / "train.CSV").exists()


def test_a_file_that_belongs_to_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "busi_1.png").write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match=r"busi_1\.png: is there already and not from busi"):
        prepare(tmp_path, "busi", [1])
    assert snapshot(tmp_path) == before


def test_an_error_while_collecting_leaves_what_was_there(tmp_path: Path) -> None:
    prepare(tmp_path, "busi", [1])
    before = snapshot(tmp_path)
    with pytest.raises(KeyboardInterrupt), collecting(tmp_path, "busi") as folder:
        collect(folder, "busi", [2])
        raise KeyboardInterrupt
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("num_moved", [0, 1, 3])
def test_a_move_that_was_cut_short_is_finished_by_the_next_preparation(tmp_path: Path, num_moved: int) -> None:
    """The state after a kill: the folder is renamed, some of its files are in place, no CSV is."""
    prepare(tmp_path, "busi", [1, 2])
    with collecting(tmp_path / "elsewhere", "busi") as folder:
        collect(folder, "busi", [2, 3], content="newer")
        (folder / "commit.json").write_text(json.dumps({"tag": "busi", "stale": ["train/busi_1.png"]}))
        shutil.copytree(folder, tmp_path / ".busi.ready")
    shutil.rmtree(tmp_path / "elsewhere")
    files = tmp_path / ".busi.ready" / FILES
    for path in [path for path in sorted(files.rglob("*")) if path.is_file()][:num_moved]:
        path.replace(tmp_path / path.relative_to(files))

    prepare(tmp_path, "stu", [1])

    assert image_names(tmp_path) == ["busi_2.png", "busi_3.png", "stu_1.png"]
    assert (tmp_path / "train" / "busi_2.png").read_text() == "newer"
    assert not (tmp_path / "train" / "busi_1.png").exists()
    assert written_files(tmp_path, "busi") == {"train/busi_2.png", "train/busi_3.png", "splits/busi.json"}
    assert not list(tmp_path.glob(".*.ready"))


def test_two_programs_do_not_prepare_the_same_dataset_at_once(tmp_path: Path) -> None:
    with (
        collecting(tmp_path, "busi"),
        pytest.raises(InputError, match=": busi is in use by process"),
        collecting(tmp_path, "busi"),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), collecting(tmp_path / "file" / "data", "busi"):
        pass
