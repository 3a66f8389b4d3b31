"""The file of rows: what is written is read, and what is not whole is refused."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.rows import COLUMNS, ScoreRow, read_rows, write_rows

ROW = ScoreRow(
    protocol="strict",
    dataset="A",
    image_name="17, left.png",
    group=None,
    phrase='a "large" cyst',
    target_present=True,
    found=True,
    score=0.1 + 0.2,
    num_detections=2,
    num_instances=1,
    box_iou=1 / 3,
    dice=2 / 3,
    iou=0.5,
    overlap_pixels=8,
    predicted_pixels=8,
    true_pixels=16,
    image_width=10,
    image_height=4,
    surface_dice=0.25,
    hausdorff_95=math.sqrt(2),
    surface_distance=0.7,
    seconds=0.001,
    detected_boxes=((0.0, 0.0, 1 / 3, 4.0, 0.9), (5.0, 0.0, 6.0, 4.0, 0.1)),
    true_boxes=((0.0, 0.0, 4.0, 4.0),),
)
MISSED = replace(
    ROW,
    protocol="paper",
    group="patient 3",
    phrase="Zyste links",
    found=False,
    score=math.nan,
    dice=math.nan,
    surface_dice=math.nan,
    hausdorff_95=math.nan,
    seconds=math.nan,
    detected_boxes=(),
    true_boxes=(),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_rows(tmp_path / "rows.csv", [ROW, MISSED, ROW])
    return tmp_path / "rows.csv"


def problem(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_rows(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_read_back_as_they_were_with_all_digits_boxes_and_gaps(path: Path) -> None:
    assert read_rows(path) == [ROW, MISSED, ROW]
    assert [one.name for one in path.parent.iterdir()] == ["rows.csv"]


def test_no_rows_read_back_as_none(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", [])
    assert read_rows(tmp_path / "rows.csv") == []


def test_the_columns_keep_their_order() -> None:
    assert COLUMNS[17:] == (
        *("image_height", "surface_dice", "hausdorff_95", "surface_distance", "seconds"),
        *("detected_boxes", "true_boxes", "supported"),
    )


def test_rows_of_earlier_versions_do_not_say_whether_they_are_supported_and_are(path: Path) -> None:
    lines = path.read_bytes().decode("utf-8").split("\r\n")
    assert lines[0].endswith(",supported") and all(line.endswith(",True") for line in lines[1:-1])
    path.write_bytes("\r\n".join(line.rpartition(",")[0] for line in lines).encode("utf-8") + b"\r\n")
    assert read_rows(path) == [ROW, MISSED, ROW]


def test_a_row_that_is_not_supported_reads_back(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", [replace(ROW, supported=False)])
    assert [row.supported for row in read_rows(tmp_path / "rows.csv")] == [False]


def test_column_order_and_further_columns_do_not_matter(path: Path) -> None:
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([f"mine,{header}", *(f"7,{line}" for line in lines)]) + "\n", encoding="utf-8")
    assert read_rows(path) == [ROW, MISSED, ROW]


def test_a_file_cut_off_anywhere_in_its_last_line_is_refused_and_never_a_shorter_table(path: Path) -> None:
    content = path.read_bytes()
    last_line = content.rstrip().rfind(b"\n") + 1
    for end in range(last_line + 1, len(content) - 1):  # the last byte is the line end itself
        path.write_bytes(content[:end])
        assert "cut off" in problem(path), content[last_line:end]


def test_a_file_cut_off_in_its_header_is_refused(path: Path) -> None:
    content = path.read_bytes()
    for end in (0, 5, content.find(b",supported") - 2):
        path.write_bytes(content[:end])
        assert "no column" in problem(path)
    path.write_bytes(content[: content.find(b"\n") - 1])  # all of the header but its line end
    assert "cut off" in problem(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.30000000000000004", "much", "row 1: score is 'much'; the file is cut off or was edited by hand"),
        ("strict", "loose", "protocol is 'loose'"),
        ("True", "yes", "target_present is 'yes'"),
        ("[[0.0, 0.0, 4.0, 4.0]]", "[[0.0, 0.0, 4.0]]", "true_boxes is '[[0.0, 0.0, 4.0]]'"),
        ("[[0.0, 0.0, 4.0, 4.0]]", "[3]", "true_boxes is '[3]'"),
        ("strict,", "strict,,", "row 1: 26 cells of 25"),
    ],
)
def test_a_damaged_row_is_named(path: Path, old: str, new: str, message: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert message in problem(path)


def test_rows_of_an_earlier_version_are_refused_with_the_columns_they_lack(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("hausdorff_95", "hausdorff", 1)
    path.write_text(text, encoding="utf-8")
    assert "no column hausdorff_95" in problem(path)


def test_what_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\x89PNG\xff\xfe")
    assert "no text in UTF-8" in problem(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in problem(tmp_path / "rows.csv")


def test_rows_that_a_spreadsheet_saved_again_are_read(path):
    """In German: semicolons, decimal commas, a byte order mark, and words for true and false."""
    lines = list(csv.reader(path.read_text().splitlines()))
    floats = [lines[0].index(name) for name in ("score", "dice", "box_iou", "seconds", "surface_distance")]
    for cells in lines[1:]:
        for place in floats:
            cells[place] = cells[place].replace(".", ",")
        cells[:] = [{"True": "WAHR", "False": "FALSCH"}.get(cell, cell) for cell in cells]
    lines.append([""] * len(lines[0]))
    for encoding in ("utf-8-sig", "utf-16"):
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file, delimiter=";").writerows(lines)
        assert read_rows(path) == [ROW, MISSED, ROW]


def test_a_score_that_a_spreadsheet_took_for_thousands_is_named(path):
    lines = list(csv.reader(path.read_text().splitlines()))
    place = lines[0].index("dice")
    lines[1][place] = lines[1][place].replace("0.", "")
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    assert f"row 1: dice is '{lines[1][place]}', beyond 0 to 1" in problem(path)
