"""The list of known weights: names that read alike, origins that are whole, and help with a wrong name."""

from __future__ import annotations

import re

import pytest

from gdinousam.errors import InputError
from gdinousam.models.weights.registry import GROUPS, WEIGHTS, Weights, find_weights, list_weights

EVERY = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS.keys())
OFFICIAL_HOSTS = ("https://github.com/IDEA-Research/GroundingDINO/releases/", "https://dl.fbaipublicfiles.com/")


@EVERY
def test_names_are_lower_case_with_hyphens(weights: Weights) -> None:
    assert re.fullmatch(r"[a-z0-9.]+(-[a-z0-9.]+)*", weights.name)
    assert weights.name.startswith("official-") == (weights.official is not None)


@EVERY
def test_every_name_has_an_origin(weights: Weights) -> None:
    assert weights.hub or weights.official
    assert not weights.hub or re.fullmatch(r"[\w-]+/[\w.-]+", weights.hub.repo_id)
    if weights.official:
        assert weights.official.url.startswith(OFFICIAL_HOSTS)
        assert re.fullmatch(r"[\w.]+\.(pth|pt)", weights.official.name)
        assert weights.official.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", weights.official.sha256)


def test_the_group_paper_is_the_papers_detector_and_mask_head() -> None:
    assert [weights.name for weights in find_weights(["paper"])] == ["grounding-dino-tiny", "sam2.1-hiera-large"]


def test_a_name_asked_for_twice_counts_once() -> None:
    names = ["sam-vit-base", "paper", "sam2.1-hiera-large", "sam-vit-base"]
    assert [weights.name for weights in find_weights(names)] == [
        "sam-vit-base",
        "grounding-dino-tiny",
        "sam2.1-hiera-large",
    ]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("grounding-dino-tinny", "grounding-dino-tiny"),
        ("sam2.1_hiera_large", "sam2.1-hiera-large"),
        ("Paper", "paper"),
        ("medsam_vit_b.pth", "medsam-vit-base"),
    ],
)
def test_an_unknown_name_gets_the_most_similar_known_one(given: str, meant: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{given!r}; did you mean {meant}?")):
        find_weights([given])


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(InputError, match=r"named 'xyz' \(--list shows all names\)"):
        find_weights(["paper", "xyz"])


def test_the_table_has_a_line_for_every_name_and_group() -> None:
    lines = list_weights().splitlines()
    assert [line.split()[0] for line in lines[2:] if line] == [*WEIGHTS, *GROUPS]
    assert all(weights.origin in line for weights, line in zip(WEIGHTS.values(), lines[2:], strict=False))
