"""Images set aside for a method that is shown examples: whole groups, the same ones every time, never all."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdinousam.data.splits.plan import SplitImage
from gdinousam.data.splits.set_aside import choose_support
from gdinousam.errors import InputError


def images(*groups: tuple[str, ...], prefix: str = "g") -> list[SplitImage]:
    """A group for each tuple, with an image for each phrase in it; "" is an image without an object."""
    return [
        SplitImage(f"{prefix}{number}-{place}", f"{prefix}{number}", (phrase,) if phrase else ())
        for number, phrases in enumerate(groups)
        for place, phrase in enumerate(phrases)
    ]


def groups_of(names: frozenset[str]) -> set[str]:
    return {name.partition("-")[0] for name in names}


def test_as_many_images_as_asked_for_where_groups_are_images() -> None:
    assert len(choose_support(images(*[("benign",)] * 40), 16, "busbra")) == 16


def test_whole_groups_of_two_make_up_an_even_number() -> None:
    of_two = images(*[("benign", "benign")] * 20)
    chosen = choose_support(of_two, 16, "busbra")
    assert len(chosen) == 16 and len(groups_of(chosen)) == 8


def test_a_group_that_is_too_large_for_what_is_missing_is_passed_over() -> None:
    mixed = images(*[("benign",) * 3] * 10, *[("benign",)] * 2)
    chosen = choose_support(mixed, 16, "busbra")  # 5 of three and 1 of one
    assert sorted(Counter(name.partition("-")[0] for name in chosen).values()) == [1, 3, 3, 3, 3, 3]


def test_where_only_larger_groups_are_left_the_smallest_of_them_is_taken_whole() -> None:
    chosen = choose_support(images(("benign",) * 9, ("benign",) * 5, ("benign",) * 7), 4, "luminous")
    assert groups_of(chosen) == {"g1"} and len(chosen) == 5


def test_phrases_have_their_share_and_a_rare_one_is_there() -> None:
    chosen = choose_support(
        images(*[("benign",)] * 60, prefix="b") + images(*[("malignant",)] * 30, prefix="m"), 15, "busbra"
    )
    assert Counter(name[0] for name in chosen) == {"b": 10, "m": 5}
    rare = choose_support(images(*[("benign",)] * 500, prefix="b") + images(("malignant",), prefix="m"), 3, "busbra")
    assert Counter(name[0] for name in rare) == {"b": 2, "m": 1}


def test_images_without_an_object_are_no_examples_but_go_with_their_group() -> None:
    with_normal = images(*[("benign", "")] * 5, *[("",)] * 50)
    chosen = choose_support(with_normal, 2, "busbra")
    assert len(chosen) == 4 and len(groups_of(chosen)) == 2
    assert groups_of(chosen) <= {f"g{number}" for number in range(5)}


def test_the_choice_is_the_same_on_every_machine_and_in_every_order() -> None:
    many = images(*[("benign",)] * 30)
    chosen = choose_support(many, 3, "busbra")
    # the lowest of sha256("42 busbra support g0"), ...
    assert chosen == choose_support(many[::-1], 3, "busbra") == {"g22-0", "g23-0", "g29-0"}
    assert chosen != choose_support(many, 3, "busbra", seed=43)
    assert chosen != choose_support(many, 3, "tnscui")
    assert chosen < choose_support(many, 5, "busbra")


@pytest.mark.parametrize("count", [16, 17, 100])
def test_too_few_groups_are_refused_with_their_number(count: int) -> None:
    with pytest.raises(InputError, match=rf"busbra: {count} images cannot be set aside.*16 images .* of 8 groups"):
        choose_support(images(*[("benign", "malignant")] * 8, ("",)), count, "busbra")


def test_nothing_but_images_without_an_object_is_refused() -> None:
    with pytest.raises(InputError, match="0 images with an object, of 0 groups"):
        choose_support(images(("",), ("",)), 1, "busbra")


@given(st.lists(st.lists(st.sampled_from(["benign", "malignant", ""]), min_size=1, max_size=5), max_size=25),
       st.integers(1, 20))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_groups_stay_whole_and_something_is_left_to_test(groups: list[list[str]], count: int) -> None:
    every = images(*map(tuple, groups))
    try:
        chosen = choose_support(every, count, "busbra")
    except InputError:
        return
    assert sum(bool(image.phrases) for image in every if image.name in chosen) >= count
    left = [image for image in every if image.name not in chosen]
    assert any(image.phrases for image in left)
    assert not {image.group for image in left} & groups_of(chosen)
