"""Promises about listing the files of a release and finding their partners."""

from pathlib import Path

import pytest

from gdinousam.data.contract.names import natural_key
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.errors import InputError


def touch(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def test_numbers_in_names_are_ordered_as_numbers() -> None:
    names = ["10.png", "9 b.png", "2.png", "9 a.png", "benign (2).png", "benign (11).png"]
    assert sorted(reversed(names), key=natural_key) == ["2.png", "9 a.png", "9 b.png", "10.png", *names[4:]]


def test_letter_case_does_not_change_the_order() -> None:
    assert sorted(["B1.png", "a2.png", "b0.png"], key=natural_key) == ["a2.png", "b0.png", "B1.png"]


def test_of_a_path_only_the_name_counts() -> None:
    assert natural_key(Path("z") / "1.png") == natural_key(Path("a") / "1.png")


def test_digits_that_are_no_numbers_are_ordered_as_text() -> None:
    assert sorted(["5²6.png", "5.png"], key=natural_key) == ["5.png", "5²6.png"]


def test_files_are_chosen_by_their_whole_name_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "10.png", "9.PNG", "9.png.txt", "a9.png")
    assert [path.name for path in release_files(tmp_path, r"\d+\.png")] == ["9.PNG", "10.png"]


def test_hidden_files_and_folders_are_left_aside(tmp_path: Path) -> None:
    touch(tmp_path, "._1.png", "1.png")
    (tmp_path / "2.png").mkdir()
    assert [path.name for path in release_files(tmp_path, r".*\.png")] == ["1.png"]


def test_a_folder_that_does_not_exist_has_no_files(tmp_path: Path) -> None:
    assert release_files(tmp_path / "none", ".*") == []


def test_missing_files_are_named_and_the_rest_of_many_counted(tmp_path: Path) -> None:
    there = touch(tmp_path / "masks", "1.png")
    missing = [tmp_path / "masks" / f"{number}.png" for number in range(2, 10)]
    with pytest.raises(InputError, match=r"of Name, 8 files missing: masks/2\.png, .*masks/6\.png and 3 more; fetch"):
        require_files([*there, *missing], tmp_path, "Name")
    with pytest.raises(InputError, match=r"1 files missing: masks/2\.png; fetch"):
        require_files([*there, missing[0]], tmp_path, "Name")


def test_nothing_missing_is_fine(tmp_path: Path) -> None:
    require_files([], tmp_path, "Name")
    require_files(touch(tmp_path, "1.png"), tmp_path, "Name")


def test_a_list_that_must_not_be_empty_says_what_it_lacks(tmp_path: Path) -> None:
    assert require_any([tmp_path], "*.png", tmp_path, "Name") == [tmp_path]
    with pytest.raises(InputError, match=r"of Name, no file \*\.png"):
        require_any([], "*.png", tmp_path, "Name")
