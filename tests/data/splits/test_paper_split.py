"""The published rule: rows are shuffled with seed 42 and cut at 70 and 90 percent, class by class."""

from __future__ import annotations

import random

import pytest

from gdinousam.data.sources.public.interface import PaperRow
from gdinousam.data.splits.paper_split import paper_split
from gdinousam.data.splits.plan import SplitImage, SplitPlan


def one_row_images(phrase: str, num: int) -> list[SplitImage]:
    """Images of one row each, counted under their own names."""
    names = [f"{phrase} {number}" for number in range(num)]
    return [SplitImage(name, name, (phrase,), paper_rows=(PaperRow(phrase, name),)) for name in names]


def counts(plan: SplitPlan) -> tuple[int, ...]:
    return tuple(plan.counted.values())


@pytest.mark.parametrize(
    ("dataset", "num_rows_of_class", "expected"),
    [
        ("BrEaST", (252,), (176, 50, 26)),
        ("BUSUC", (358, 452), (566, 161, 83)),
        ("BUSUCLM", (174, 90), (183, 52, 29)),
        ("BUSB", (163,), (114, 32, 17)),
        ("STU", (42,), (29, 8, 5)),
        ("105US", (105,), (73, 21, 11)),
        ("RegPro", (4218,), (2952, 843, 423)),
        ("AUL without overwritten files", (435, 200), (444, 127, 64)),
        ("rows of kidneyUS", (2592,), (1814, 518, 260)),
        ("rows of BUID", (124, 112), (164, 46, 26)),
        ("rows of S1", (204,), (142, 40, 22)),
    ],
)
def test_counts_are_those_of_table_1(
    dataset: str, num_rows_of_class: tuple[int, ...], expected: tuple[int, int, int]
) -> None:
    classes = [f"class {number}" for number in range(len(num_rows_of_class))]
    images = [
        image for phrase, num in zip(classes, num_rows_of_class, strict=True) for image in one_row_images(phrase, num)
    ]
    plan = paper_split(images, "seen", classes if len(classes) > 1 else ())
    assert counts(plan) == tuple(plan.num_rows.values()) == expected
    assert tuple(len(names) for names in plan.members.values()) == expected
    assert plan.left_out == ()


def test_seventy_percent_of_90_rows_are_62() -> None:
    assert counts(paper_split(one_row_images("malignant", 90), "seen", ())) == (62, 18, 10)


@pytest.mark.parametrize("num", [1875, 637, 296])
def test_everything_of_an_unseen_dataset_goes_to_test(num: int) -> None:
    plan = paper_split(one_row_images("benign", num), "unseen", ("benign",))
    assert counts(plan) == (0, 0, num)
    assert list(plan.members["test"]) == [f"benign {number}" for number in range(num)]


def test_members_are_those_of_pythons_shuffle_with_seed_42() -> None:
    expected = [f"benign {number}" for number in range(10)]
    random.Random(42).shuffle(expected)
    plan = paper_split(one_row_images("benign", 10), "seen", ())
    assert set(plan.members["train"]) == set(expected[:7])
    assert set(plan.members["val"]) == set(expected[7:9])
    assert set(plan.members["test"]) == {expected[9]}
    # as a number, should the line above and the code ever change together
    assert list(plan.members["test"]) == ["benign 1"]


def test_one_generator_runs_on_from_the_first_class_to_the_second() -> None:
    first, second = one_row_images("malignant", 10), one_row_images("benign", 10)
    generator = random.Random(42)
    shuffled = [[image.name for image in images] for images in (first, second)]
    for names in shuffled:
        generator.shuffle(names)
    plan = paper_split(second + first, "seen", ("malignant", "benign"))
    assert set(plan.members["test"]) == {names[9] for names in shuffled}
    assert paper_split(second + first, "seen", ("benign", "malignant")).members != plan.members


def test_the_order_of_the_images_decides_who_goes_where() -> None:
    images = one_row_images("benign", 50)
    assert paper_split(images, "seen", ()) == paper_split(list(images), "seen", ())
    assert paper_split(images[::-1], "seen", ()).members != paper_split(images, "seen", ()).members


def test_an_image_goes_to_every_split_that_one_of_its_rows_goes_to() -> None:
    images = [
        SplitImage(str(number), str(number), ("nodule",), paper_rows=(PaperRow("nodule", str(number)),) * 2)
        for number in range(50)
    ]
    plan = paper_split(images, "seen", ())
    assert tuple(plan.num_rows.values()) == (70, 20, 10)
    num_places = sum(len(names) for names in plan.members.values())
    assert num_places > 50
    assert num_places == sum(counts(plan))
    assert set().union(*plan.members.values()) == {image.name for image in images}


def test_a_split_holds_the_phrases_of_its_rows_only() -> None:
    rows = tuple(PaperRow(phrase, f"file_{phrase}") for phrase in ("capsule", "cortex", "medulla"))
    images = [
        SplitImage(str(number), str(number), ("capsule", "cortex", "medulla"), paper_rows=rows) for number in range(20)
    ]
    plan = paper_split(images, "seen", ())
    for image in images:
        placed = [phrase for members in plan.members.values() for phrase in members.get(image.name, ())]
        assert sorted(placed) == ["capsule", "cortex", "medulla"]
    assert any(len(phrases) == 1 for phrases in plan.members["train"].values())


def test_rows_of_one_file_count_once_per_split_and_unnamed_rows_not_at_all() -> None:
    rows = (PaperRow("nodule", "tn3k_1.jpg"), PaperRow("nodule", "tn3k_1.jpg"), PaperRow("nodule", None))
    plan = paper_split([SplitImage("1", "1", ("nodule",), paper_rows=rows)], "unseen", ())
    assert plan.num_rows["test"] == 3
    assert plan.counted["test"] == 1


def test_a_row_that_names_what_the_annotation_does_not_have_is_told_and_leads_nowhere() -> None:
    wrong = SplitImage("7", "7", ("cortex",), paper_rows=(PaperRow("medulla", "7_medulla"),))
    plan = paper_split([wrong], "unseen", ())
    assert plan.members["test"] == {}
    assert plan.num_rows["test"] == plan.counted["test"] == 1
    assert ("7: rows of 'medulla'", "its annotation has no such object") in plan.left_out
    assert ("7: objects of 'cortex'", "the paper's script makes no row of them") in plan.left_out


def test_an_image_that_the_script_makes_no_row_of_is_left_out_with_a_reason() -> None:
    plan = paper_split([SplitImage("64_29", "64", ("left lower back muscle",))], "unseen", ())
    assert not any(plan.members.values())
    assert plan.left_out == (("64_29", "the paper's script makes no row of it"),)


def test_images_without_target_follow_as_a_last_class_and_move_no_other_image() -> None:
    images = one_row_images("benign", 30)
    normal = [SplitImage(f"normal {number}", f"normal {number}", ()) for number in range(10)]
    alone, together = paper_split(images, "seen", ("benign",)), paper_split(normal + images, "seen", ("benign",))
    assert counts(together) == counts(alone)
    for split, num_normal in zip(("train", "val", "test"), (7, 2, 1), strict=True):
        added = {name: phrases for name, phrases in together.members[split].items() if name not in alone.members[split]}
        assert len(added) == num_normal
        assert set(added.values()) == {()}
        assert set(alone.members[split]) <= set(together.members[split])


def test_an_image_of_specks_only_is_no_image_without_target() -> None:
    plan = paper_split([SplitImage("1", "1", (), paper_rows=(PaperRow("benign", "1"),))], "unseen", ())
    assert plan.members["test"] == {}
    assert len(plan.left_out) == 1


def test_no_images_give_empty_splits() -> None:
    plan = paper_split([], "seen", ())
    assert plan.members == {"train": {}, "val": {}, "test": {}}
    assert counts(plan) == (0, 0, 0)


def test_a_phrase_that_the_class_order_does_not_list_is_refused() -> None:
    with pytest.raises(ValueError, match="normal 0: a row of 'normal'"):
        paper_split(one_row_images("normal", 1), "seen", ("benign", "malignant"))


def test_two_images_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two images are named benign 0"):
        paper_split(one_row_images("benign", 1) * 2, "seen", ())
