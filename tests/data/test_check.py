"""The checker: every breach of the contract is reported, all at once, with its row; sound data has none."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from checked_data import HEIGHT, WIDTH, DataSet

from gdinousam.commands.check_data import check_data_command
from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.data.contract.check import check_table, require_valid
from gdinousam.data.contract.problems import DataProblems, format_problems
from gdinousam.errors import InputError

ROOT = Path(__file__).parents[2]
REAL_DATA = ROOT.parent / "shared" / "data" / "multimodal-data"


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return DataSet(tmp_path)


@pytest.mark.parametrize("masks_required", [False, True])
def test_sound_data_with_several_rows_phrases_and_an_absent_phrase_has_no_problems(data, masks_required):
    assert data.problems(masks_required) == []


def test_missing_image_is_reported_once_at_its_first_row(data):
    (data.images / "a.png").unlink()
    problem = data.only_problem()
    assert (problem.row, problem.column, problem.value) == (2, "image_name", "a.png")
    assert problem.expected == f"a file in {data.images}"


@pytest.mark.parametrize("damage", [lambda content: b"no image", lambda content: content[: len(content) // 2]])
def test_undecodable_and_truncated_images_are_reported(data, damage: Callable[[bytes], bytes]):
    path = data.images / "b.png"
    path.write_bytes(damage(path.read_bytes()))
    problem = data.only_problem()
    assert (problem.row, problem.column, problem.value) == (5, "image_name", "b.png")
    assert "not readable as an image" in problem.expected


def test_size_differing_from_the_image_file_is_reported_per_row(data):
    data.spoil(5, image_width=41, image_height=31)
    found = [(problem.row, problem.column, problem.value, problem.expected) for problem in data.problems()]
    assert found == [
        (5, "image_width", "41", "40, as in the image file"),
        (5, "image_height", "31", "30, as in the image file"),
    ]


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"bbox_x": -1}, "bbox_x"),
        ({"bbox_y": -0.5}, "bbox_y"),
        ({"bbox_width": 36}, "bbox_width"),
        ({"bbox_y": 25.5, "bbox_height": 5}, "bbox_height"),
    ],
)
def test_box_outside_the_image_is_reported(data, cells, column):
    data.spoil(2, mask_name="", **cells)
    (data.masks / "a.png").unlink()
    data.spoil(3, mask_name="")
    problem = data.only_problem()
    assert (problem.row, problem.column) == (2, column)
    assert "outside the image" in problem.expected


def test_spellings_of_one_phrase_dataset_and_group_are_the_same(data):
    data.spoil(3, dataset="BUSI ", group="7.", label_name="Benign lesion.", bbox_x=5, bbox_y=5, bbox_height=5)
    data.spoil(3, mask_name="a.png#1")
    problem = data.only_problem()
    assert (problem.row, problem.column) == (3, "label_name")
    assert problem.expected == "no copy of row 2 (same image, phrase, box and mask_name)"


@pytest.mark.parametrize(
    ("cell", "shown", "named"),
    [("b.png ", "'b.png '", "spaces"), ("B.png", "B.png", "letter case"), ("b.\u200bpng", "'b.\\u200bpng'", "char")],
)
def test_a_file_name_that_only_looks_right_is_told_apart(data, cell, shown, named):
    data.spoil(5, image_name=cell, mask_name="b.png")
    problem = data.only_problem()
    assert problem.expected.startswith(f"a file in {data.images}; it has b.png, which differs by {named}")
    assert format_problems([problem]).splitlines()[1].split("image_name")[1].lstrip().startswith(shown)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("benign lesion. malignant lesion.", "one phrase; full stops part 2, so write a row for each"),
        ("a " * 260, "a shorter phrase: it takes 263 tokens or more, Grounding DINO reads 256"),
    ],
)
def test_a_phrase_that_is_none_to_the_model_is_reported(data, phrase, expected):
    data.spoil(5, label_name=phrase)
    assert data.only_problem().expected == expected


def test_two_names_of_one_image_are_reported(data):
    shutil.copy(data.images / "a.png", data.images / "A.png")
    data.spoil(4, image_name="A.png")
    problem = data.only_problem()
    assert (problem.row, problem.expected) == (4, "a.png as in row 2, or a name that differs by more than letter case")


def test_box_up_to_the_edges_of_the_image_is_legal(data):
    data.spoil(5, bbox_x=0, bbox_y=0, bbox_width=WIDTH, bbox_height=HEIGHT)
    assert data.problems() == []


@pytest.mark.parametrize("cells", [{"bbox_width": 0}, {"bbox_height": -3}])
def test_box_without_area_is_reported(data, cells):
    data.spoil(5, **cells)
    problem = data.only_problem()
    assert (problem.row, {problem.column}) == (5, set(cells))
    assert "no area" in problem.expected


def test_partially_empty_box_is_reported_per_empty_cell(data):
    data.spoil(5, bbox_x="", bbox_height=" ")
    found = [(problem.row, problem.column, problem.expected) for problem in data.problems()]
    expected = "a number, or all four box cells empty"
    assert found == [(5, "bbox_x", expected), (5, "bbox_height", expected)]


@pytest.mark.parametrize("cell", ["ten", "nan", "inf", "-inf"])
@pytest.mark.parametrize("column", ["bbox_x", "bbox_height", "image_width", "image_height"])
def test_non_numeric_cell_is_reported(data, column, cell):
    data.spoil(5, **{column: cell})
    problem = data.only_problem()
    assert (problem.row, problem.column, problem.value) == (5, column, cell)


@pytest.mark.parametrize("cell", ["", "0", "-40", "40.5"])
def test_image_size_that_is_no_positive_whole_number_is_reported(data, cell):
    data.spoil(5, image_width=cell)
    assert data.only_problem().expected == "a whole number of pixels above 0"


def test_missing_mask_is_reported_where_masks_are_required(data):
    (data.masks / "b.png").unlink()
    assert data.problems() == []
    problem = data.only_problem(masks_required=True)
    assert (problem.row, problem.column) == (5, "mask_name")


def test_missing_mask_is_reported_where_the_row_names_one(data):
    data.spoil(2, mask_name="other.png#1")
    problem = data.only_problem()
    assert (problem.row, problem.column, problem.value) == (2, "mask_name", "other.png#1")


def test_missing_mask_is_reported_where_an_absent_row_names_one(data):
    data.spoil(4, mask_name="other.png")
    assert data.only_problem().row == 4


def test_undecodable_mask_is_reported(data):
    path = data.masks / "b.png"
    path.write_bytes(path.read_bytes()[:60])
    problem = data.only_problem()
    assert (problem.row, problem.column) == (5, "mask_name")
    assert "b.png is not readable as an image" in problem.expected


def test_mask_of_another_size_is_reported(data):
    PIL.Image.new("L", (WIDTH * 2, HEIGHT), 255).save(data.masks / "b.png")
    problem = data.only_problem()
    assert (problem.row, problem.column) == (5, "mask_name")
    assert "a mask of 40 x 30 as the image has; b.png is 80 x 30" in problem.expected


def test_mask_without_a_pixel_inside_the_box_is_reported(data):
    data.spoil(5, bbox_x=32, bbox_y=1, bbox_width=5, bbox_height=5)
    problem = data.only_problem()
    assert (problem.row, problem.column) == (5, "mask_name")
    assert "inside its box" in problem.expected


def test_mask_without_a_pixel_of_the_value_inside_the_box_is_reported(data):
    data.spoil(3, mask_name="a.png#1")
    assert (data.only_problem().row, data.only_problem().value) == (3, "a.png#1")


def test_value_of_a_colour_mask_is_reported(data):
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[5:10, 5:15] = (200, 0, 0)
    PIL.Image.fromarray(colours).save(data.masks / "b.png")
    assert data.problems() == []
    data.spoil(5, mask_name="b.png#200")
    data.rows[6] = data.row("nodule", (30, 20, 5, 5), "b.png", mask_name="b.png")
    by_row = {problem.row: problem.expected for problem in data.problems()}
    assert "colour mask" in by_row[5] and "inside its box" in by_row[6]


def test_duplicate_rows_are_reported_with_the_row_they_repeat(data):
    data.rows[6] = data.rows[5] | {"bbox_width": "10.0"}
    problem = data.only_problem()
    assert (problem.row, problem.value) == (6, "fetal head")
    assert "no copy of row 5" in problem.expected


def test_duplicate_absent_rows_are_reported(data):
    data.rows[6] = data.rows[4]
    assert (data.only_problem().row, data.only_problem().column) == (6, "label_name")


def test_rows_that_differ_in_their_mask_are_no_duplicates(data):
    data.rows[6] = data.rows[5] | {"mask_name": "b.png#1"}
    assert data.problems() == []


@pytest.mark.parametrize("phrase", ["", "  "])
def test_empty_phrase_is_reported(data, phrase):
    data.spoil(5, label_name=phrase)
    assert (data.only_problem().row, data.only_problem().expected) == (5, "a phrase")


@pytest.mark.parametrize("phrase", [".", "- -", "?!"])
def test_phrase_without_a_letter_or_digit_is_reported(data, phrase):
    data.spoil(5, label_name=phrase)
    problem = data.only_problem()
    assert (problem.row, problem.value, problem.expected) == (5, phrase, "a phrase with a letter or digit")


def test_phrase_in_another_script_is_legal(data):
    data.spoil(5, label_name="胎头")
    assert data.problems() == []


def test_empty_image_name_is_reported(data):
    data.spoil(5, image_name="")
    assert (data.only_problem().row, data.only_problem().column) == (5, "image_name")


@pytest.mark.parametrize("column", ["image_name", "mask_name"])
def test_names_with_folders_are_reported(data, column):
    data.spoil(5, **{column: "../train/b.png"})
    problem = data.only_problem()
    assert (problem.row, problem.column, problem.expected) == (5, column, "a file name without folders")


def test_phrase_both_absent_and_present_in_one_image_is_reported(data):
    data.spoil(4, label_name="benign lesion")
    problem = data.only_problem()
    assert (problem.row, problem.column) == (4, "label_name")
    assert "row 2 has a box" in problem.expected


def test_phrase_absent_and_present_in_other_words_is_reported(data):
    data.spoil(4, label_name="Benign mass.")
    problem = data.only_problem()
    assert (problem.row, problem.column, problem.value) == (4, "label_name", "Benign mass.")
    assert problem.expected.endswith("row 2 has a box for benign lesion, which is the same thing, in this image")


def test_a_phrase_book_of_the_user_says_which_words_mean_the_same(data, tmp_path):
    book = tmp_path / "book.yaml"
    book.write_text("phrases: {benign lesion: {organ: breast, wordings: [fetal head]}}\n", encoding="utf-8")
    require_valid(data.write(), data.images, data.masks)
    with pytest.raises(DataProblems, match=r"fetal head.*row 2 has a box for benign lesion, which is the same thing"):
        require_valid(data.write(), data.images, data.masks, phrase_book=book)
    arguments = [str(data.write()), "--images", str(data.images), "--phrase-book", str(book)]
    assert run(check_data_command, arguments) == BAD_INPUT and run(check_data_command, arguments[:-2]) == 0
    book.write_text("phrases: {benign lesion: {organ: breast}}\n", encoding="utf-8")
    require_valid(data.write(), data.images, data.masks, phrase_book=book)


@pytest.mark.parametrize("column", ["dataset", "group"])
def test_conflicting_dataset_or_group_in_one_image_is_reported(data, column):
    before = data.rows[2][column]
    data.spoil(3, **{column: "other"})
    problem = data.only_problem()
    assert (problem.row, problem.column, problem.value) == (3, column, "other")
    assert problem.expected == f"{before}, as in row 2 of the same image"


def test_conflicting_size_in_one_image_is_reported(data):
    data.spoil(3, image_width=80)
    expected = {problem.expected for problem in data.problems() if (problem.row, problem.column) == (3, "image_width")}
    assert expected == {"40, as in row 2 of the same image", "40, as in the image file"}


def test_table_without_rows_is_reported(data):
    data.write()
    data.csv_path.write_text(data.csv_path.read_text().splitlines()[0] + "\n")
    (problem,) = check_table(data.csv_path, data.images)
    assert (problem.row, problem.expected) == (None, "at least one row below the header")


def test_unknown_columns_are_problems_with_the_nearest_name(data):
    text = data.write().read_text()
    data.csv_path.write_text(text.replace("bbox_width", "box_width").replace("dataset", "q"))
    found = [(problem.row, problem.column, problem.value) for problem in check_table(data.csv_path, data.images)]
    assert found == [(1, "bbox_width", "box_width"), (1, "dataset", "")]


def test_row_with_more_cells_than_the_header_is_reported_beside_the_others(data):
    data.spoil(2, label_name="lesion, benign")
    data.spoil(5, label_name="")
    assert [(problem.row, problem.value) for problem in data.problems()] == [(2, "12 cells"), (5, "")]


def test_missing_folders_are_reported_once_and_not_per_file(data):
    data.spoil(5, label_name="")
    problems = check_table(data.write(), data.images / "no", data.masks / "no", progress=False)
    assert [(problem.row, problem.column) for problem in problems] == [
        (None, "image_name"),
        (None, "mask_name"),
        (5, "label_name"),
    ]


def test_every_problem_is_reported_at_once_by_row(data):
    (data.images / "a.png").unlink()
    data.spoil(3, bbox_width=0)
    data.spoil(4, label_name=".")
    data.spoil(5, image_width="wide", mask_name="no.png")
    found = [(problem.row, problem.column) for problem in data.problems()]
    assert sorted(found) == sorted(
        [(2, "image_name"), (3, "bbox_width"), (4, "label_name"), (5, "image_width"), (5, "mask_name")]
    )
    assert [row for row, _ in found] == [2, 3, 4, 5, 5]


def test_each_image_and_each_mask_is_decoded_once(data, monkeypatch):
    opened = []
    open_picture = PIL.Image.open
    monkeypatch.setattr(PIL.Image, "open", lambda path: opened.append(path) or open_picture(path))
    assert data.problems() == []
    assert sorted(opened) == sorted(
        folder / name for folder in (data.images, data.masks) for name in ("a.png", "b.png")
    )


def test_without_a_mask_folder_no_mask_is_looked_at(data):
    data.spoil(2, mask_name="no.png")
    assert check_table(data.write(), data.images, progress=False) == []


def test_required_masks_without_a_mask_folder_are_an_error(data):
    with pytest.raises(InputError, match="no mask folder"):
        check_table(data.write(), data.images, masks_required=True)


def test_require_valid_raises_one_error_with_the_whole_table(data):
    require_valid(data.write(), data.images, data.masks, masks_required=True)
    data.spoil(2, label_name="")
    data.spoil(5, bbox_x="ten")
    with pytest.raises(DataProblems) as caught:
        require_valid(data.write(), data.images, data.masks)
    assert isinstance(caught.value, InputError) and len(caught.value.problems) == 2
    assert format_problems(caught.value.problems) in str(caught.value)


@pytest.fixture(scope="module")
def check_data() -> Callable[[list[str]], int]:
    return lambda arguments: run(check_data_command, arguments)


def test_script_exits_with_0_and_one_line_for_sound_data(data, check_data, capsys):
    assert check_data([str(data.write()), "--images", str(data.images), "--masks", str(data.masks)]) == 0
    assert capsys.readouterr().out == "2 images, 4 rows, 2 phrases: no problems\n"


def test_script_prints_the_table_and_exits_with_2(data, check_data, capsys):
    data.spoil(5, bbox_x="ten")
    assert check_data([str(data.write()), "--images", str(data.images)]) == 2
    assert "bbox_x" in capsys.readouterr().out


def test_script_exits_with_2_and_one_line_for_a_missing_csv(data, check_data, capsys):
    assert check_data([str(data.csv_path), "--images", str(data.images)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the folder of real images is not here")
@pytest.mark.parametrize(
    ("table", "images", "masks"),
    [("train.csv", "train", "train_mask"), ("val.CSV", "val", "val_mask"), ("test.CSV", "test_image", "test_mask")],
)
def test_real_data_has_no_problems(table, images, masks):
    problems = check_table(
        REAL_DATA / table, REAL_DATA / images, REAL_DATA / masks, masks_required=True, progress=False
    )
    assert format_problems(problems) == ""
