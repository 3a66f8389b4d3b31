"""The CSV contract: what is read, how rows become records, and that writing and reading back changes nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdinousam.data.contract.reading import COLUMNS, parse_number, read_records, read_table, write_records, write_table
from gdinousam.errors import InputError
from gdinousam.records import ImageRecord, Instance, MaskReference

HEADER = ",".join(COLUMNS)
ROW = "benign breast lesion,10,20,30,40,a.png,320,240,busi"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_one_row_becomes_one_record_in_pixels_of_the_stored_image(tmp_path):
    (record,) = read_records(write(tmp_path / "train.csv", HEADER, ROW), tmp_path / "train")
    assert record == ImageRecord(
        path=tmp_path / "train" / "a.png",
        width=320,
        height=240,
        dataset="busi",
        instances=(Instance("benign breast lesion", (10.0, 20.0, 30.0, 40.0)),),
        phrases=("benign breast lesion",),
        last_phrase="benign breast lesion",
    )


def test_rows_of_one_image_become_one_record_in_order_of_first_appearance(tmp_path):
    rows = [
        "kidney cortex,0,0,5,5,b.png,32,24,kidney",
        "liver,1,1,5,5,a.png,32,24,liver",
        "kidney medulla,2,2,5,5,b.png,32,24,kidney",
        "kidney cortex,3,3,5,5,b.png,32,24,kidney",
    ]
    records = read_records(write(tmp_path / "train.csv", HEADER, *rows), tmp_path)
    assert [record.path.name for record in records] == ["b.png", "a.png"]
    assert [instance.box_xywh[0] for instance in records[0].instances] == [0, 2, 3]
    assert records[0].phrases == ("kidney cortex", "kidney medulla")
    assert records[0].last_phrase == "kidney cortex"


def test_row_without_a_box_is_an_absent_phrase(tmp_path):
    absent = "thyroid nodule,,, ,,a.png,320,240,busi"
    (record,) = read_records(write(tmp_path / "train.csv", HEADER, ROW, absent), tmp_path)
    assert record.absent_phrases == ("thyroid nodule",)
    assert record.phrases == ("benign breast lesion", "thyroid nodule")
    assert len(record.instances) == 1


def test_column_order_does_not_matter_and_extra_columns_are_kept(tmp_path):
    header = ",".join(["scanner", *reversed(COLUMNS), "group"])
    row = ",".join(["X 7", *reversed(ROW.split(",")), "patient 1"])
    path = write(tmp_path / "train.csv", header, row)
    (record,) = read_records(path, tmp_path)
    assert (record.group, record.instances[0].box_xywh) == ("patient 1", (10, 20, 30, 40))
    write_table(read_table(path), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == path.read_text()


def test_every_cell_stays_the_string_of_the_file(tmp_path):
    path = write(tmp_path / "train.csv", HEADER, "NA,1.50,nan,007, 4,a.png,320,240,None")
    assert list(read_table(path).iloc[0]) == ["NA", "1.50", "nan", "007", " 4", "a.png", "320", "240", "None"]


@pytest.mark.parametrize(("stored", "asked"), [("train.CSV", "train.csv"), ("train.csv", "train.CSV")])
def test_either_letter_case_of_the_suffix_is_found(tmp_path, stored, asked):
    write(tmp_path / stored, HEADER, ROW)
    assert len(read_table(tmp_path / asked)) == 1


def test_table_index_is_the_row_number_in_the_file(tmp_path):
    path = write(tmp_path / "train.csv", HEADER, ROW, "", '"a phrase\nof two lines",,,,,a.png,320,240,busi', ROW)
    assert list(read_table(path).index) == [2, 4, 5]


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    (tmp_path / "train.csv").write_bytes(f"\ufeff{HEADER}\r\n{ROW}\r\n".encode())
    assert list(read_table(tmp_path / "train.csv").columns) == list(COLUMNS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no header"),
        (b"label_name\xff,bbox_x\n", "not UTF-8 text"),
        (f'{HEADER}\n"benign,1,2,3,4,a.png,5,6,busi\n'.encode(), "not readable as CSV"),
        (f"{HEADER},bbox_x\n".encode(), "'bbox_x' appears twice"),
        (f"{HEADER}\nlesion, benign,1,2,3,4,a.png,5,6,busi\n".encode(), "row 2 with 10 instead of 9"),
    ],
    ids=["empty", "undecodable", "open quotation mark", "column twice", "comma in a phrase"],
)
def test_unreadable_table_is_an_error_of_one_line(tmp_path, content, message):
    (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_table(tmp_path / "train.csv")
    assert "\n" not in str(caught.value) and "train.csv" in str(caught.value)


def test_missing_csv_is_an_error_naming_it(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv: no such CSV file"):
        read_table(tmp_path / "nowhere.csv")


def test_unknown_columns_are_an_error_naming_the_missing_and_the_nearest(tmp_path):
    path = write(tmp_path / "train.csv", HEADER.replace("bbox_width", "BBox_Widht").replace("dataset", "q"), ROW)
    with pytest.raises(InputError, match=r"bbox_width \(nearest: BBox_Widht\), dataset;"):
        read_table(path)


def test_header_without_rows_gives_no_records(tmp_path):
    assert read_records(write(tmp_path / "train.csv", HEADER), tmp_path) == ()


def test_number_that_is_none_is_an_error_naming_row_and_column(tmp_path):
    path = write(tmp_path / "train.csv", HEADER, ROW, ROW.replace("20", "twenty"))
    with pytest.raises(InputError, match="row 3, bbox_y: 'twenty'"):
        read_records(path, tmp_path)


@pytest.mark.parametrize("cell", ["", " ", "nan", "inf", "-inf", "1e999", "1_000", "ten", "1,5"])
def test_these_cells_are_no_numbers(cell):
    assert parse_number(cell) is None


def masks_of(tmp_path: Path, mask_name: str, *stored: str) -> MaskReference | None:
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in stored:
        (folder / name).touch()
    path = write(tmp_path / "train.csv", f"{HEADER},mask_name", f"{ROW},{mask_name}")
    (record,) = read_records(path, tmp_path, folder)
    return record.instances[0].mask


def test_mask_lies_under_the_name_of_the_image(tmp_path):
    assert masks_of(tmp_path, "", "a.png", "a.jpg") == MaskReference(tmp_path / "masks" / "a.png")


@pytest.mark.parametrize("stored", ["a.jpg", "a.jpeg", "a.bmp", "a.tif", "a.tiff"])
def test_mask_may_have_another_suffix_than_the_image(tmp_path, stored):
    assert masks_of(tmp_path, "", stored) == MaskReference(tmp_path / "masks" / stored)


def test_mask_name_wins_over_the_name_of_the_image(tmp_path):
    assert masks_of(tmp_path, "other.png", "a.png") == MaskReference(tmp_path / "masks" / "other.png")


def test_mask_name_with_a_value_picks_one_grey_value(tmp_path):
    assert masks_of(tmp_path, "labels.png#3") == MaskReference(tmp_path / "masks" / "labels.png", 3)


def test_hash_in_a_mask_file_name_is_no_value(tmp_path):
    assert masks_of(tmp_path, "scan#3.png") == MaskReference(tmp_path / "masks" / "scan#3.png")


def test_image_without_a_mask_file_has_no_mask(tmp_path):
    assert masks_of(tmp_path, "", "b.png") is None


def test_without_a_mask_folder_there_are_no_masks(tmp_path):
    path = write(tmp_path / "train.csv", f"{HEADER},mask_name", f"{ROW},a.png")
    assert read_records(path, tmp_path)[0].instances[0].mask is None


# hard for a CSV, and no two name the same: of those only the first spelling would come back
names = st.sampled_from(["a, b", ' é"x', "#;c", "d\ne", "'b'", '"', "B  c ", "f,", "g;h", "#1"])
lengths = st.floats(0.01, 1e4)


@st.composite
def rows(draw: st.DrawFn, with_masks: bool) -> list[tuple[str, tuple[float, ...] | None, MaskReference | None]]:
    """Rows of one image as the checker passes them: no phrase both absent and present, none absent twice."""
    phrases = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    absent = set(draw(st.lists(st.sampled_from(phrases), unique=True)))
    repeated = draw(st.lists(st.sampled_from(phrases), max_size=4))
    ordered = draw(st.permutations(phrases + [phrase for phrase in repeated if phrase not in absent]))
    masks = st.builds(MaskReference, st.just(Path("masks/m.png")), st.none() | st.integers(0, 255))
    return [
        (phrase, None, None)
        if phrase in absent
        else (phrase, draw(st.tuples(*[lengths] * 4)), draw(masks) if with_masks else None)
        for phrase in ordered
    ]


@st.composite
def records(draw: st.DrawFn) -> tuple[ImageRecord, ...]:
    with_masks = draw(st.booleans())
    written = []
    for number in range(draw(st.integers(0, 3))):
        of_image = draw(rows(with_masks))
        written.append(
            ImageRecord(
                path=Path(f"images/{number}.png"),
                width=draw(st.integers(1, 4000)),
                height=draw(st.integers(1, 4000)),
                dataset=draw(names),
                group=draw(st.none() | names),
                instances=tuple(Instance(phrase, box, mask) for phrase, box, mask in of_image if box is not None),
                absent_phrases=tuple(phrase for phrase, box, _ in of_image if box is None),
                phrases=tuple(dict.fromkeys(phrase for phrase, _, _ in of_image)),
                last_phrase=of_image[-1][0],
            )
        )
    return tuple(written)


@given(written=records())
def test_writing_records_and_reading_them_back_changes_nothing(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("csv") / "train.csv"
    write_records(written, path)
    assert read_records(path, "images", "masks") == written


def test_spellings_of_one_name_are_read_as_the_first_and_said_once(tmp_path, caplog):
    path = write(
        tmp_path / "train.csv",
        f"{HEADER},group",
        "Breast Cyst,1,1,5,5,a.png,32,24,BUSI,P 1",
        "breast\u00a0cyst.,2,2,5,5,a.png,32,24,busi ,P 1",
        "breast cyst,,,,,b.png,32,24,Busi,p  1",
        "liver,1,1,2,2,b.png,32,24,BUSI,P 2",
    )
    first, second = read_records(path, tmp_path)
    assert [instance.phrase for instance in first.instances] == ["Breast Cyst", "Breast Cyst"]
    assert first.phrases == ("Breast Cyst",)
    assert second.absent_phrases == ("Breast Cyst",)
    assert {first.dataset, second.dataset} == {"BUSI"}
    assert (first.group, second.group) == ("P 1", "P 1")
    read_records(path, tmp_path)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert said[0].endswith(
        "label_name 'breast\\u00a0cyst.' is read as Breast Cyst (they differ by letter case and a full stop at the end "
        "and spaces) and 1 more spelling"
    )


def test_optional_columns_are_written_only_where_a_record_has_them(tmp_path):
    lesion = Instance("lesion", (1, 2, 3, 4.5))
    write_records([ImageRecord(Path("a.png"), 32, 24, "busi", instances=(lesion,))], tmp_path / "train.csv")
    assert (tmp_path / "train.csv").read_text() == f"{HEADER}\nlesion,1,2,3,4.5,a.png,32,24,busi\n"


def test_records_that_no_csv_can_hold_are_refused_and_the_old_file_stays(tmp_path):
    path = write(tmp_path / "train.csv", HEADER, ROW)
    before = path.read_text()
    bare = ImageRecord(Path("a.png"), 32, 24, "busi")
    absent = ImageRecord(Path("a.png"), 32, 24, "busi", absent_phrases=("lesion",))
    with pytest.raises(InputError, match="neither boxes nor absent phrases"):
        write_records([bare], path)
    with pytest.raises(InputError, match=r"two images are named a\.png"):
        write_records([absent, absent], path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]
