"""Which window of a picture resembles another, and what the window looks like when it is cut out."""

from __future__ import annotations

import numpy as np
import pytest

from gdinousam.data.audit.picture_windows import SIDE, Grid, Window, cut_out, resembling, thumbnail
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.records import Image


@pytest.fixture(scope="module")
def scan() -> Image:
    return make_phantom(np.random.default_rng(5)).image


def test_a_thumbnail_is_a_grey_square_of_any_picture() -> None:
    for height, width in ((1, 1), (40, 300), (500, 128)):
        grey = thumbnail(np.full((height, width, 3), 77, np.uint8))
        assert grey.shape == (SIDE, SIDE) and grey.dtype == np.uint8
        assert (grey == 77).all()


def test_spans_of_a_grid_have_every_pair_of_margins() -> None:
    assert Grid((0.0, 0.25), 3).spans == [(0.0, 1.0), (0.0, 0.75), (0.25, 1.0), (0.25, 0.75)]


def test_the_whole_window_is_the_picture_and_half_of_it_is_enlarged() -> None:
    picture = np.repeat(np.arange(SIDE, dtype=np.uint8)[None], SIDE, axis=0)
    assert np.array_equal(cut_out(picture, Window(0, 1, 0, 1)), picture)
    right = cut_out(picture, Window(0, 1, 0.5, 1)).astype(float)
    # pixel centres of the enlarged half lie at 64 - 0.25, 64 + 0.25, 65 - 0.25 ... of the picture
    assert np.abs(right[0] - (63.75 + np.arange(SIDE) / 2)).max() <= 0.75
    assert (right == right[0]).all()


@pytest.mark.parametrize(
    ("margins", "window"),
    [
        ((0.0, 0.0, 0.0, 0.0), Window(0, 1, 0, 1)),
        ((0.1, 0.0, 0.05, 0.075), Window(0.1, 1, 0.05, 0.925)),
        ((0.025, 0.1, 0.1, 0.1), Window(0.025, 0.9, 0.1, 0.9)),
    ],
)
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_the_window_that_was_cropped_is_found(
    margins: tuple[float, ...], window: Window, is_mirrored: bool, scan: Image
) -> None:
    height, width = scan.shape[:2]
    top, bottom, left, right = margins
    copy = scan[
        round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)
    ]
    copy = copy[:, ::-1] if is_mirrored else copy
    match = next(one for one in resembling([thumbnail(scan), thumbnail(np.ascontiguousarray(copy))]) if one.whole == 1)
    assert match.windowed == 0 and match.is_mirrored == is_mirrored
    assert match.similarity > 0.97
    assert match.window == pytest.approx(
        window, abs=0.026
    )  # the grid's step: a neighbour may fit the rounded edge best


def test_a_picture_of_one_colour_resembles_none(scan: Image) -> None:
    flat = thumbnail(np.full((50, 50, 3), 100, np.uint8))
    assert resembling([flat, flat, thumbnail(scan)]) == []
    assert resembling([]) == []
