"""The list file: the same members give the same bytes, and reading gives back what was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gdinousam.data.splits.split_list import SplitListRow, read_split_list, split_hash, write_split_list
from gdinousam.errors import InputError

ROWS = [
    SplitListRow("test", "kidnyus_350.png", "350", ("kidney capsule", "kidney cortex")),
    SplitListRow("train", "busi_benign_(10).png", "10", ("benign",)),
    SplitListRow("train", "busi_benign_(2).png", "2, a and b", ("benign",)),
    SplitListRow("train", "normal_é.png", "normal_é", ()),
    SplitListRow("test", "busi_benign_(2).png", "2, a and b", ("benign",)),
]


def test_what_is_written_is_read_back_in_the_order_of_splits_and_names(tmp_path: Path) -> None:
    write_split_list(tmp_path / "busi.csv", ROWS)
    read = read_split_list(tmp_path / "busi.csv")
    assert [(row.split, row.image_name) for row in read] == [
        ("train", "busi_benign_(2).png"),
        ("train", "busi_benign_(10).png"),
        ("train", "normal_é.png"),
        ("test", "busi_benign_(2).png"),
        ("test", "kidnyus_350.png"),
    ]
    assert set(read) == set(ROWS)


def test_the_same_members_in_any_order_give_the_same_hash(tmp_path: Path) -> None:
    first = write_split_list(tmp_path / "a.csv", ROWS)
    assert write_split_list(tmp_path / "b.csv", ROWS[::-1]) == first == split_hash(tmp_path / "b.csv")
    assert first == hashlib.sha256((tmp_path / "a.csv").read_bytes()).hexdigest()
    assert write_split_list(tmp_path / "c.csv", ROWS[1:]) != first


def test_the_bytes_of_a_list_never_change(tmp_path: Path) -> None:
    write_split_list(tmp_path / "list.csv", [SplitListRow("val", "b.png", "b", ("y", "x")), ROWS[2]])
    assert (tmp_path / "list.csv").read_bytes() == (
        b"split,image_name,group,phrases\n"
        b'train,busi_benign_(2).png,"2, a and b",benign\n'
        b"val,b.png,b,x|y\n"
    )  # fmt: skip


def test_a_support_set_comes_last(tmp_path: Path) -> None:
    rows = [SplitListRow("support", "a.png", "a", ("x",)), SplitListRow("test", "b.png", "b", ("x",))]
    write_split_list(tmp_path / "list.csv", rows)
    assert read_split_list(tmp_path / "list.csv") == rows[::-1]


def test_a_list_of_nobody_is_read_as_empty(tmp_path: Path) -> None:
    write_split_list(tmp_path / "list.csv", [])
    assert read_split_list(tmp_path / "list.csv") == []


def test_an_image_twice_in_one_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="twice in train"):
        write_split_list(tmp_path / "list.csv", [ROWS[1], ROWS[1]])


def test_a_phrase_with_the_separator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="parts phrases"):
        write_split_list(tmp_path / "list.csv", [SplitListRow("train", "a.png", "a", ("a|b",))])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no split list"),
        (b"image_name,split\n", "no split list"),
        (b"split,image_name,group,phrases\ntrain,a.png\n", "row 2 has 2 cells"),
        (b"split,image_name,group,phrases\ntraining,a.png,a,x\n", "'training' instead of one of train, val, test"),
        (b"\xff\xfe\x00", "not readable"),
    ],
)
def test_a_damaged_list_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_split_list(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such split list"):
        read_split_list(tmp_path / "list.csv")
