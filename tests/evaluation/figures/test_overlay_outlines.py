"""Outlines can be told apart by everybody, hide little of the image, and lie where the masks do."""

import numpy as np
import numpy.typing as npt
import pytest

from gdinousam.drawing import Color, draw_panel
from gdinousam.evaluation.figures.outlines import FOUND, TRUTH, outlined
from gdinousam.evaluation.figures.saving import SERIES
from gdinousam.records import Mask

# Machado, Oliveira and Fernandes (2009), severity 1: linear RGB as seen without red, green or blue cones.
BLIND = {
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}
GREY = ((0.2126, 0.7152, 0.0722),) * 3


def linear(color: Color) -> npt.NDArray[np.float64]:
    share = np.array(color) / 255
    return np.asarray(np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4))


def brightness(color: Color, seen: npt.ArrayLike) -> float:
    return float(np.array(GREY[0]) @ np.clip(np.array(seen) @ linear(color), 0, 1))


def contrast(first: Color, second: Color, seen: npt.ArrayLike) -> float:
    """As WCAG defines it, from 1 to 21; graphics want 3."""
    low, high = sorted((brightness(first, seen), brightness(second, seen)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("seen", [GREY, *BLIND.values()], ids=["grey", *BLIND])
def test_lines_stand_out_in_grey_print_and_for_the_colour_blind(seen: npt.ArrayLike) -> None:
    white, black = TRUTH
    assert contrast(FOUND, white, seen) >= 3, "from the light dashes"
    assert contrast(FOUND, black, seen) >= 3, "from its dark casing and the dark dashes"


def test_colours_of_methods_are_told_apart_by_the_colour_blind() -> None:
    colors = [tuple(int(one[at : at + 2], 16) for at in (1, 3, 5)) for one in SERIES[:6]]
    for seen in BLIND.values():
        shown = [np.clip(np.array(seen) @ linear((r, g, b)), 0, 1) ** (1 / 2.2) for r, g, b in colors]
        distances = [np.abs(one - other).max() for at, one in enumerate(shown) for other in shown[:at]]
        assert min(distances) > 0.1


def square(size: int = 100) -> Mask:
    mask_hw = np.zeros((size, size), bool)
    mask_hw[30:70, 30:70] = True
    return mask_hw


def test_the_inside_stays_visible_and_the_line_lies_on_the_edge() -> None:
    image = np.full((100, 100, 3), 90, np.uint8)
    panel, plain = outlined(image, square()), draw_panel(image)
    changed = (panel != plain).any(axis=2)
    scale = panel.shape[0] / 100
    assert not changed[int(40 * scale) : int(60 * scale), int(40 * scale) : int(60 * scale)].any()
    assert not changed[: int(25 * scale)].any()
    middle = panel[int(50 * scale)]
    edge = np.flatnonzero((np.abs(middle.astype(int) - FOUND) < 30).all(axis=1))
    assert abs(edge.min() / scale - 30) < 1.5 and abs(edge.max() / scale - 70) < 1.5


def test_the_truth_is_thin_dashed_and_over_the_answer() -> None:
    image = np.full((640, 640, 3), 90, np.uint8)
    mask_hw = np.zeros((640, 640), bool)
    mask_hw[200:400, 200:400] = True
    both = outlined(image, mask_hw, mask_hw)
    edge = both[200, 210:390].astype(int)
    assert (edge.min(axis=1) > 240).any() and (edge.max(axis=1) < 15).any(), "white and black dashes"
    across = both[190:211, 300].astype(int)
    orange = (np.abs(across - FOUND) < 40).all(axis=1).sum()
    dashes = ((across.min(axis=1) > 200) | (across.max(axis=1) < 40)).sum()
    assert orange >= 2 and dashes >= 2, "both show where they agree"


def test_small_and_empty_masks() -> None:
    image = np.full((2000, 2000, 3), 90, np.uint8)
    nothing, point = np.zeros((2000, 2000), bool), np.zeros((2000, 2000), bool)
    point[999, 999] = True
    assert (outlined(image, nothing, nothing) == draw_panel(image)).all()
    assert (outlined(image, point) != draw_panel(image)).any(), "a single pixel of a large image shows"
    with pytest.raises(ValueError, match="mask of size"):
        outlined(image, np.zeros((5, 5), bool))
