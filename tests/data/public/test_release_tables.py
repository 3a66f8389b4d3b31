"""Tables of a release: text cells from spreadsheet and CSV, and damage told in one line."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from gdinousam.data.sources.public.release_tables import find_release_table, read_release_table, require_listed
from gdinousam.errors import InputError

COLUMNS = ("Image", "Type")


def write_spreadsheet(path: Path, *lines: tuple[object, ...]) -> Path:
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    book.save(path)
    return path


def write_text(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_zero_padded_text_keeps_its_zeros_in_csv_and_spreadsheet(tmp_path):
    as_text = write_text(tmp_path / "a.csv", "Image,Type\n000001,Benign\n000010,Malignant\n")
    as_sheet = write_spreadsheet(tmp_path / "a.xlsx", COLUMNS, ("000001", "Benign"), ("000010", "Malignant"))
    for path in (as_text, as_sheet):
        assert list(read_release_table(path, COLUMNS)["Image"]) == ["000001", "000010"]


def test_numbers_of_a_spreadsheet_have_no_decimal_point_even_beside_empty_cells(tmp_path):
    path = write_spreadsheet(tmp_path / "a.xlsx", COLUMNS, (1, "Benign"), (2.0, None), (None, "Malignant"), (2.5, "x"))
    table = read_release_table(path, COLUMNS)
    assert list(table["Image"]) == ["1", "2", "", "2.5"]
    assert list(table["Type"]) == ["Benign", "", "Malignant", "x"]


@pytest.mark.parametrize("word", ["NA", "None", "nan", "null"])
def test_words_that_pandas_takes_for_empty_stay_words(tmp_path, word):
    as_text = write_text(tmp_path / "a.csv", f"Image,Type\n1,{word}\n")
    as_sheet = write_spreadsheet(tmp_path / "a.xlsx", COLUMNS, ("1", word))
    assert [read_release_table(path, COLUMNS)["Type"][0] for path in (as_text, as_sheet)] == [word, word]


def test_a_byte_order_mark_and_spaces_round_column_names_do_not_hide_a_column(tmp_path):
    path = write_text(tmp_path / "a.csv", "Image , Type\r\n1,Benign\r\n", encoding="utf-8-sig")
    assert read_release_table(path, COLUMNS).to_dict("records") == [{"Image": "1", "Type": "Benign"}]


def test_cells_are_parted_by_the_separator_of_the_release(tmp_path):
    path = write_text(tmp_path / "a.csv", 'Image;Type\n1;"Benign; with a semicolon"\n')
    assert read_release_table(path, COLUMNS, separator=";")["Type"][0] == "Benign; with a semicolon"


def test_lines_without_any_cell_are_no_rows(tmp_path):
    path = write_text(tmp_path / "a.csv", "Image,Type\n1,Benign\n,\n\n2,Malignant\n , \n")
    assert list(read_release_table(path, COLUMNS)["Image"]) == ["1", "2"]


def test_a_table_of_a_header_only_has_columns_and_no_rows(tmp_path):
    table = read_release_table(write_text(tmp_path / "a.csv", "Image,Type,Age\n"), COLUMNS)
    assert list(table.columns) == ["Image", "Type", "Age"]
    assert table.empty
    assert table["Image"].str.strip().empty


def test_a_missing_column_is_named_with_the_nearest(tmp_path):
    path = write_text(tmp_path / "a.csv", "Images,Kind\n1,Benign\n")
    with pytest.raises(InputError, match=r"a\.csv: columns missing: Image \(nearest: Images\), Type; fetch"):
        read_release_table(path, COLUMNS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds nothing"),
        ("Image,Type\n1,Benign\n2\n", "line 3 has 1 cells instead of 2"),
        ("Image,Type\n1,Benign,3\n", "line 2 has 3 cells instead of 2"),
        ("Image,Type,Image\n1,Benign,2\n", "column Image is there twice"),
        ('Image,Type\n1,"Ben', "not readable as a table"),
    ],
)
def test_a_damaged_csv_is_refused_in_one_line(tmp_path, text, complaint):
    path = write_text(tmp_path / "a.csv", text)
    with pytest.raises(InputError, match=complaint) as error:
        read_release_table(path, COLUMNS)
    assert "\n" not in str(error.value)


def test_a_cut_off_spreadsheet_is_refused(tmp_path):
    whole = write_spreadsheet(tmp_path / "whole.xlsx", COLUMNS, ("1", "Benign")).read_bytes()
    for length in (0, 100, len(whole) - 10):
        (tmp_path / "cut.xlsx").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.xlsx: not readable as a table"):
            read_release_table(tmp_path / "cut.xlsx", COLUMNS)


def test_text_that_is_no_utf_8_is_refused(tmp_path):
    path = write_text(tmp_path / "a.csv", "Image,Type\n1,gutartig \xfc\n", encoding="latin-1")
    with pytest.raises(InputError, match="not readable as a table"):
        read_release_table(path, COLUMNS)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.csv: no such table"):
        read_release_table(tmp_path / "a.csv", COLUMNS)


def test_the_first_candidate_that_is_there_is_taken(tmp_path):
    candidates = [tmp_path / "a.xlsx", tmp_path / "a.csv"]
    with pytest.raises(InputError, match=r"no table a\.xlsx or a\.csv"):
        find_release_table(candidates)
    candidates[1].touch()
    assert find_release_table(candidates) == candidates[1]
    candidates[0].touch()
    assert find_release_table(candidates) == candidates[0]


def test_files_without_a_row_are_counted_and_the_first_is_named(tmp_path):
    files = [tmp_path / f"{number}.png" for number in (3, 2, 1)]
    require_listed(files, files, tmp_path / "a.csv")
    require_listed([], [], tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"a\.csv: 2 files have no row, the first is 1\.png"):
        require_listed(files, files[:1], tmp_path / "a.csv")
