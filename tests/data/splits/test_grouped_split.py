"""Groups stay whole, official splits stay, shares come near 70/20/10 for every phrase, and order does not matter."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdinousam.data.contract.layout import SPLITS, Split
from gdinousam.data.splits.grouped_split import grouped_split
from gdinousam.data.splits.plan import SplitImage, SplitPlan

PHRASES = ("benign", "malignant")


@st.composite
def image_lists(draw: st.DrawFn) -> list[SplitImage]:
    """Up to 60 images of up to 20 groups, some without target, some with an official split."""
    official: list[Split | None] = draw(st.sampled_from([[None], [None, "test"], [None, *SPLITS]]))
    return [
        SplitImage(
            name=f"image {number}",
            group=f"group {draw(st.integers(0, 19))}",
            phrases=draw(st.sampled_from([(), ("benign",), ("malignant",), PHRASES])),
            official_split=draw(st.sampled_from(official)),
        )
        for number in range(draw(st.integers(0, 60)))
    ]


def singles(num: int, phrase: str = "benign", official: Split | None = None, prefix: str = "case") -> list[SplitImage]:
    """Images that are their own groups."""
    names = [f"{prefix}{number}" for number in range(num)]
    return [SplitImage(name, name, (phrase,), official) for name in names]


def sizes(plan: SplitPlan) -> tuple[int, ...]:
    return tuple(len(names) for names in plan.members.values())


@given(image_lists())
@settings(max_examples=60, deadline=None)
def test_every_image_is_in_one_split_with_all_its_phrases(images: list[SplitImage]) -> None:
    plan = grouped_split(images, "seen", "busi")
    placed = [item for members in plan.members.values() for item in members.items()]
    assert sorted(placed) == sorted((image.name, image.phrases) for image in images)
    assert tuple(plan.counted.values()) == sizes(plan)
    assert plan.left_out == ()


@given(image_lists())
@settings(max_examples=60, deadline=None)
def test_no_group_is_in_two_splits(images: list[SplitImage]) -> None:
    plan = grouped_split(images, "seen", "busi")
    splits_of_group: dict[str, set[str]] = {}
    for image in images:
        splits_of_group.setdefault(image.group, set()).update(s for s in SPLITS if image.name in plan.members[s])
    assert all(len(splits) == 1 for splits in splits_of_group.values())


@given(image_lists(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_images_does_not_matter(images: list[SplitImage], generator) -> None:
    shuffled = list(images)
    generator.shuffle(shuffled)
    assert grouped_split(shuffled, "seen", "busi").members == grouped_split(images, "seen", "busi").members


@given(image_lists())
@settings(max_examples=60, deadline=None)
def test_images_leave_their_official_split_only_for_a_stricter_one_of_their_group(images: list[SplitImage]) -> None:
    plan = grouped_split(images, "seen", "busi")
    strictest = {}
    for split in SPLITS:  # later ones are stricter
        strictest |= {image.group: split for image in images if image.official_split == split}
    for image in images:
        if image.official_split is not None:
            assert image.name in plan.members[strictest[image.group]]
    moved = {image.name for image in images if image.official_split not in (None, strictest.get(image.group))}
    assert {name for name, _ in plan.moved} == moved


@given(st.integers(4, 400))
@settings(max_examples=60, deadline=None)
def test_images_without_groups_are_cut_70_20_10(num: int) -> None:
    for size, fraction in zip(sizes(grouped_split(singles(num), "seen", "stu")), (0.7, 0.2, 0.1), strict=True):
        assert abs(size - fraction * num) <= 1


@given(st.integers(10, 200), st.integers(10, 200))
@settings(max_examples=60, deadline=None)
def test_every_phrase_is_cut_70_20_10(num_benign: int, num_malignant: int) -> None:
    images = singles(num_benign) + singles(num_malignant, "malignant", prefix="other")
    plan = grouped_split(images, "seen", "busuc")
    for phrase, num in (("benign", num_benign), ("malignant", num_malignant)):
        for split, fraction in zip(SPLITS, (0.7, 0.2, 0.1), strict=True):
            held = sum(phrase in phrases for phrases in plan.members[split].values())
            assert abs(held - fraction * num) <= 1.5


def test_images_without_target_are_cut_like_a_phrase() -> None:
    normal = [SplitImage(f"normal{number}", f"normal{number}", ()) for number in range(100)]
    plan = grouped_split(singles(50) + normal, "seen", "busi")
    assert [sum(not phrases for phrases in members.values()) for members in plan.members.values()] == [70, 20, 10]


def test_38_patients_of_very_different_size_come_near_70_20_10() -> None:
    images = [
        SplitImage(f"p{patient}_{number}", f"p{patient}", (PHRASES[(patient * 7) % 3 == 0],))
        for patient in range(38)
        for number in range(1 + (patient * patient) % 17)
    ]
    plan = grouped_split(images, "seen", "busuclm")
    for size, fraction in zip(sizes(plan), (0.7, 0.2, 0.1), strict=True):
        assert abs(size / len(images) - fraction) < 0.03


@pytest.mark.parametrize(
    ("num_groups", "expected"), [(0, (0, 0, 0)), (1, (4, 0, 0)), (2, (4, 0, 4)), (3, (4, 4, 4)), (4, (8, 4, 4))]
)
def test_few_groups_serve_training_first_then_test(num_groups: int, expected: tuple[int, int, int]) -> None:
    images = [
        SplitImage(f"v{group}_{number}", f"v{group}", ("prostate",))
        for group in range(num_groups)
        for number in range(4)
    ]
    assert sizes(grouped_split(images, "seen", "regpro")) == expected


def test_beside_an_official_test_set_train_and_val_share_the_rest_7_to_2() -> None:
    images = singles(90) + singles(20, official="test", prefix="official")
    plan = grouped_split(images, "seen", "muregpro")
    assert sizes(plan) == (70, 20, 20)
    assert all(name.startswith("official") for name in plan.members["test"])


def test_a_complete_official_split_stays_as_it_is() -> None:
    images = [image for split in SPLITS for image in singles(10, official=split, prefix=split)]
    plan = grouped_split(images, "seen", "tn3k")
    assert all(name.startswith(split) for split, members in plan.members.items() for name in members)
    assert plan.moved == ()


def test_what_official_splits_leave_over_is_for_training() -> None:
    images = singles(10, official="val", prefix="val") + singles(10, official="test", prefix="test") + singles(30)
    assert sizes(grouped_split(images, "seen", "tn3k")) == (30, 10, 10)


def test_a_group_in_official_train_and_test_goes_to_test_and_the_plan_says_so() -> None:
    images = [SplitImage("1", "twins", ("benign",), "train"), SplitImage("2", "twins", ("benign",), "test")]
    plan = grouped_split(images, "seen", "s1")
    assert list(plan.members["test"]) == ["1", "2"]
    assert plan.moved == (("1", "from the release's train to test, as others of its group"),)


def test_everything_of_an_unseen_dataset_goes_to_the_test_split() -> None:
    plan = grouped_split(singles(30), "unseen", "busbra")
    assert sizes(plan) == (0, 0, 30)


def test_the_lists_of_a_fixed_input_never_change() -> None:
    # A published list is named by its hash: whatever changes these names breaks everybody's comparison.
    plan = grouped_split(singles(10), "seen", "stu")
    assert list(plan.members["val"]) == ["case0", "case7"]
    assert list(plan.members["test"]) == ["case2"]


def test_seed_and_dataset_each_give_another_split() -> None:
    images = singles(60)
    plans = [grouped_split(images, "seen", tag, seed=seed) for tag in ("stu", "busi") for seed in (42, 43)]
    assert len({tuple(plan.members["test"]) for plan in plans}) == 4
    assert len(Counter(sizes(plan) for plan in plans)) == 1


def test_a_fraction_of_zero_leaves_a_split_empty() -> None:
    assert sizes(grouped_split(singles(50), "seen", "stu", fractions=(0.8, 0.2, 0.0))) == (40, 10, 0)


@pytest.mark.parametrize("fractions", [(0.7, 0.2, 0.2), (1.1, -0.1, 0.0), (0.0, 0.5, 0.5)])
def test_fractions_that_are_no_shares_are_refused(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="three shares"):
        grouped_split(singles(5), "seen", "stu", fractions)


def test_an_image_name_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="two images are named case0"):
        grouped_split(singles(1) * 2, "seen", "stu")
