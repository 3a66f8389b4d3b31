"""Tables as spreadsheets of several languages and other programs write them."""

import csv
import io
from pathlib import Path

import pytest

from gdinousam.data.contract.delimited import decode, parse_delimited
from gdinousam.data.contract.reading import COLUMNS, read_records

HEADER = ",".join(COLUMNS)
ROWS = ['"cyst, left",10.5,20,30.25,40,a.png,320,240,busi', "cyst,1,2,3,4,b.png,320,240,busi"]
PLAIN = "\n".join([HEADER, *ROWS]) + "\n"


def separated(separator: str, decimal_comma: bool = False) -> str:
    """The table with another separator; with a decimal comma where that is asked for."""
    lines = list(csv.reader(io.StringIO(PLAIN)))
    if decimal_comma:
        lines[1:] = [[cells[0], *(cell.replace(".", ",") for cell in cells[1:5]), *cells[5:]] for cells in lines[1:]]
    file = io.StringIO()
    csv.writer(file, delimiter=separator).writerows(lines)
    return file.getvalue()


def whole_lines_in_one_cell() -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=";").writerows([line] for line in PLAIN.splitlines())
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        separated(";").encode(),
        separated("\t").encode(),
        separated("|").encode(),
        separated(";", decimal_comma=True).encode(),
        separated("\t", decimal_comma=True).encode("utf-16"),
        f"sep=,\r\n{PLAIN}".encode(),
        f"sep=;\n{separated(';')}".encode(),
        b"\xef\xbb\xbf" + separated(";").encode(),
        PLAIN.replace(HEADER, HEADER.replace(",", ", ")).replace(",1,2,3,4,", ", 1, 2, 3, 4, ").encode(),
        PLAIN.replace(HEADER, '"' + HEADER.replace(",", '","') + '"').encode(),
        PLAIN.replace(HEADER, HEADER.title()).encode(),
        PLAIN.replace("\n", ",,\n").encode(),
        (PLAIN + "," * (len(COLUMNS) - 1) + "\n").encode(),
        whole_lines_in_one_cell().encode(),
    ],
    ids=[
        "plain", "semicolon", "tab", "bar", "decimal comma", "utf-16", "sep=,", "sep=;", "byte order mark",
        "spaces", "quoted header", "letter case", "empty columns", "an empty row", "one cell",
    ],
)  # fmt: skip
def test_every_way_of_writing_a_table_reads_to_the_same_records(tmp_path: Path, content: bytes):
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    first, second = read_records(path, tmp_path)
    assert first.instances[0].box_xywh == (10.5, 20.0, 30.25, 40.0)
    assert (first.phrases, second.phrases) == (("cyst, left",), ("cyst",))
    assert (second.path.name, second.width, second.dataset) == ("b.png", 320, "busi")


def test_a_comma_between_digits_stays_where_commas_part_cells():
    assert parse_delimited('a,b\n"1,5",2\n', ("a", "b"), ("a",)) == [["a", "b"], ["1,5", "2"]]


def test_only_columns_of_numbers_get_a_decimal_point():
    assert parse_delimited("a;b\n1,5;1,5\n", ("a", "b"), ("a",)) == [["a", "b"], ["1.5", "1,5"]]


def test_spaces_at_the_start_of_a_cell_stay_where_the_header_has_none():
    assert parse_delimited("a,b\n 1, x\n", ("a", "b")) == [["a", "b"], [" 1", " x"]]


def test_a_further_column_that_only_looks_like_one_keeps_its_name():
    assert parse_delimited("a,A\n1,2\n", ("a",))[0] == ["a", "A"]


def test_no_text_gives_no_lines():
    assert parse_delimited("", ("a",)) == []
    assert decode(b"") == ""
