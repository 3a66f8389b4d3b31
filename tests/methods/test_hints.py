"""Who shows a method where the objects are: the truth, or a person's CSV; and methods that learned each dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.methods import ByDataset, RecordSegmenter
from gdinousam.methods.true_hints import TrueHints
from gdinousam.methods.user_hints import UserHints, read_user_hints
from gdinousam.records import Click, Detection, Hint, Image, ImageRecord, Instance, Mask, MaskReference, Need

HEIGHT, WIDTH = 40, 60
LEFT, RIGHT = (5.0, 10.0, 10.0, 10.0), (35.0, 15.0, 20.0, 10.0)


class Echo:
    """Answers every hint with its box, or the pixel of its click, and keeps what it was shown."""

    def __init__(self, need: Need) -> None:
        self.needs: frozenset[Need] = frozenset({need})
        self.shown: list[list[Hint]] = []

    def segment_hints(self, images: Sequence[Image], hints: Sequence[Sequence[Hint]]) -> list[list[Detection]]:
        self.shown += [list(row) for row in hints]
        return [[Detection(one.phrase, one.box_xyxy or (0, 0, 1, 1), one.score) for one in row] for row in hints]


class Named:
    """A segmenter that answers with its own name as the phrase."""

    needs: frozenset[Need] = frozenset({"support set"})

    def __init__(self, name: str) -> None:
        self.name = name

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        return [[Detection(f"{self.name}: {phrase}", (0, 0, 1, 1), 1.0) for phrase in asked] for asked in phrases]


def saved_mask(path: Path, *boxes_xywh: tuple[float, float, float, float]) -> MaskReference:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for x, y, width, height in boxes_xywh:
        mask[int(y) : int(y + height), int(x) : int(x + width)] = 255
    PILImage.fromarray(mask).save(path)
    return MaskReference(path)


def record_of(name: str, instances: Sequence[Instance], *absent: str, dataset: str = "a") -> ImageRecord:
    phrases = tuple(dict.fromkeys([*(one.phrase for one in instances), *absent]))
    return ImageRecord(Path(name), WIDTH, HEIGHT, dataset, None, tuple(instances), absent, phrases, phrases[-1])


@pytest.fixture
def records(tmp_path: Path) -> list[ImageRecord]:
    own, shared = saved_mask(tmp_path / "own.png", LEFT), saved_mask(tmp_path / "shared.png", LEFT, RIGHT)
    return [
        record_of("one.png", [Instance("cyst", LEFT, own)], "stone"),
        record_of("two.png", [Instance("cyst", RIGHT, shared), Instance("cyst", LEFT, shared)]),
        record_of("none.png", [], "stone"),
    ]


def blank(records: Sequence[ImageRecord]) -> list[Image]:
    return [np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in records]


def middle(mask_hw: Mask, seed: int) -> Click:
    rows, columns = np.nonzero(mask_hw)
    return Click(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5)


def test_the_true_boxes_are_shown_and_absent_phrases_get_nothing(records: list[ImageRecord]) -> None:
    echo = Echo("box")
    method = TrueHints(echo)
    found = method.segment_records(blank(records), records)
    assert isinstance(method, RecordSegmenter) and method.needs == {"box"}
    assert [[one.box_xyxy for one in row] for row in found] == [
        [(5, 10, 15, 20)],
        [(35, 15, 55, 25), (5, 10, 15, 20)],
        [],
    ]
    assert not any(hint.clicks for row in echo.shown for hint in row)


def test_a_click_is_all_that_is_shown_and_lies_in_the_object_s_own_part_of_a_shared_mask(
    records: list[ImageRecord],
) -> None:
    echo = Echo("point")
    TrueHints(echo, middle).segment_records(blank(records), records)
    assert [[(one.box_xyxy, one.clicks) for one in row] for row in echo.shown] == [
        [(None, (Click(10, 15),))],
        [(None, (Click(45, 20),)), (None, (Click(10, 15),))],
        [],
    ]


def test_what_is_random_about_a_click_depends_on_the_object_alone(records: list[ImageRecord]) -> None:
    def seeds(of: Sequence[ImageRecord], seed: int) -> list[float]:
        echo = Echo("point")
        TrueHints(echo, lambda mask_hw, seed: Click(float(seed), 0.0), seed).segment_records(blank(of), of)
        return [hint.clicks[0].x for row in echo.shown for hint in row]

    first, second, third = seeds(records, 0)
    assert len({first, second, third}) == 3
    assert seeds(records[1:], 0) == [second, third]
    assert seeds(records, 1) != [first, second, third]


def test_a_click_needs_a_mask(records: list[ImageRecord]) -> None:
    without = replace(records[0], instances=(replace(records[0].instances[0], mask=None),))
    with pytest.raises(InputError, match=r"one\.png: no mask of 'cyst' to take a click from"):
        TrueHints(Echo("point"), middle).segment_records(blank([without]), [without])


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_person_s_boxes_are_shown_by_phrase(records: list[ImageRecord], tmp_path: Path) -> None:
    csv_path = write_csv(
        tmp_path / "boxes.csv",
        "image_name,label_name,bbox_x,bbox_y,bbox_width,bbox_height,reader",
        "one.png,stone,1,2,3,4,A",
        "one.png,cyst,5,6.5,7,8,A",
        "two.png,cyst,0,0,60,40,B",
    )
    method = UserHints(Echo("box"), read_user_hints(csv_path, records, "box"))
    found = method.segment_records(blank(records), records)
    assert [[(one.phrase, one.box_xyxy) for one in row] for row in found] == [
        [("cyst", (5, 6.5, 12, 14.5)), ("stone", (1, 2, 4, 6))],
        [("cyst", (0, 0, 60, 40))],
        [],
    ]


def test_a_person_s_clicks_may_lie_beside_the_object(records: list[ImageRecord], tmp_path: Path) -> None:
    csv_path = write_csv(
        tmp_path / "clicks.csv",
        "image_name,label_name,click_x,click_y,click_on_object",
        "one.png,cyst,5.5,6,",
        "two.png,cyst,1,2,0",
    )
    hints = read_user_hints(csv_path, records, "point")
    assert hints == {
        "one.png": (Hint("cyst", clicks=(Click(5.5, 6),)),),
        "two.png": (Hint("cyst", clicks=(Click(1, 2, is_foreground=False),)),),
    }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_clicks_that_a_spreadsheet_saved_are_read(records: list[ImageRecord], tmp_path: Path, encoding: str) -> None:
    csv_path = tmp_path / "clicks.csv"
    lines = ["image_name;label_name;Click_X;click_y;click_on_object", "one.png;cyst;5,5;6;", "two.png;cyst;1;2,25;0"]
    csv_path.write_bytes("\r\n".join([*lines, ";;;;", ""]).encode(encoding))
    assert read_user_hints(csv_path, records, "point") == {
        "one.png": (Hint("cyst", clicks=(Click(5.5, 6),)),),
        "two.png": (Hint("cyst", clicks=(Click(1, 2.25, is_foreground=False),)),),
    }


BOXES = "image_name,label_name,bbox_x,bbox_y,bbox_width,bbox_height"
CLICKS = "image_name,label_name,click_x,click_y,click_on_object"


@pytest.mark.parametrize(
    ("need", "lines", "message"),
    [
        (
            "point",
            [BOXES],
            "no column click_x, click_y; hints of users need the columns image_name,label_name,click_x",
        ),
        ("box", [BOXES, "one.png,cyst,1"], "row 2 has too few or many cells"),
        ("box", [BOXES, "three.png,cyst,1,2,3,4"], r"row 2: 'three\.png' is not an image in the test file"),
        ("box", [BOXES, "one.png,liver,1,2,3,4"], "row 2: 'liver' is not a phrase of this image in the test file"),
        (
            "box",
            [BOXES, "one.png,cyst,1,2,0,4"],
            "row 2: the box 1, 2, 0, 4 has no area or leaves the image of 60 x 40",
        ),
        ("box", [BOXES, "one.png,cyst,1,2,60,4"], "has no area or leaves the image"),
        ("box", [BOXES, "one.png,cyst,1,x,3,4"], "row 2: bbox_y is 'x', which is not a number"),
        ("box", [BOXES, "one.png,cyst,nan,2,3,4"], "row 2: bbox_x is 'nan', which is not a number"),
        ("point", [CLICKS, "one.png,cyst,1,41,1"], "row 2: the click 1, 41 is not on the image of 60 x 40 pixels"),
        ("point", [CLICKS, "one.png,cyst,1,4,yes"], "row 2: click_on_object is 'yes'; write 1, or 0"),
    ],
)
def test_hints_of_users_that_do_not_fit_are_refused_by_row(
    records: list[ImageRecord], tmp_path: Path, need: Need, lines: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_user_hints(write_csv(tmp_path / "hints.csv", *lines), records, need)


def test_every_image_goes_to_the_segmenter_of_its_dataset(records: list[ImageRecord]) -> None:
    segmenters: Mapping[str, Named] = {"a": Named("A"), "b": Named("B")}
    mixed = [records[0], replace(records[1], dataset="b"), records[2]]
    method = ByDataset(segmenters, "map")
    found = method.segment_records(blank(mixed), mixed)
    assert isinstance(method, RecordSegmenter) and method.needs == {"support set"}
    assert [[one.phrase for one in row] for row in found] == [["A: cyst", "A: stone"], ["B: cyst"], ["A: stone"]]


def test_an_image_of_another_dataset_is_not_supported_and_not_asked(records: list[ImageRecord]) -> None:
    method = ByDataset({"b": Named("B")}, "map")
    assert method.unsupported(records[0]) == dict.fromkeys(records[0].phrases, "there is no map of the dataset")
    assert method.unsupported(replace(records[0], dataset="b")) == {}
    with pytest.raises(InputError, match="nothing was learned for dataset 'a', only for b"):
        method.segment_records(blank(records), records)
    silent = [replace(record, phrases=()) for record in records]
    assert method.segment_records(blank(silent), silent) == [[] for _ in silent]
