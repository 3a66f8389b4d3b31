"""Drawing on small grey images, where every pixel can be told."""

import numpy as np
import pytest

from gdinousam.drawing import Mark, draw_box, draw_panel, overlay_mask, side_by_side

RED = (255, 0, 0)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 100, np.uint8)


def is_red(image: np.ndarray) -> np.ndarray:
    return (image[..., 0] > 150) & (image[..., 1] < 90)


def test_a_mask_tints_its_inside_outlines_its_border_and_leaves_the_rest():
    mask_hw = np.zeros((20, 30), bool)
    mask_hw[5:15, 10:20] = True
    image = grey(20, 30)
    drawn = overlay_mask(image, mask_hw, RED, opacity=0.5)
    assert drawn[10, 15].tolist() == [178, 50, 50]
    assert drawn[5, 10].tolist() == list(RED)
    assert (drawn[~mask_hw] == 100).all()
    assert (image == 100).all()


def test_an_empty_mask_changes_nothing():
    assert (overlay_mask(grey(9, 9), np.zeros((9, 9), bool), RED) == 100).all()


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(4, 5\).*\(9, 9\)"):
        overlay_mask(grey(9, 9), np.zeros((4, 5), bool), RED)


def test_a_box_is_drawn_on_its_border():
    drawn = draw_box(grey(60, 60), (10, 20, 50, 40), RED)
    rows, columns = np.nonzero(is_red(drawn))
    # Lines are two to three pixels wide, centred on the first and last pixel of the box.
    assert (rows.min(), rows.max()) == pytest.approx((20, 39), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((10, 49), abs=1)
    assert not is_red(drawn)[24:36, 14:46].any()


def test_a_box_beyond_the_image_shows_on_the_border():
    drawn = is_red(draw_box(grey(40, 40), (-10, -10, 90, 90), RED))
    assert drawn[0].all() and drawn[-1].all() and drawn[:, 0].all() and drawn[:, -1].all()


@pytest.mark.parametrize(
    "box_xyxy", [(5, 60, 90, 90), (5, 0, 90, 90), (180, 60, 199, 90)], ids=["above", "inside", "right"]
)
def test_a_label_stays_within_the_image(box_xyxy):
    without = draw_box(grey(100, 200), box_xyxy, RED)
    with_label = draw_box(grey(100, 200), box_xyxy, RED, "liver 0.9")
    added = (without != with_label).any(axis=-1)
    # A filled strip with dark letters on it: as wide as the text, wherever the box lies.
    assert is_red(with_label).sum() > is_red(without).sum() + 300
    assert ((with_label.max(axis=-1) < 60) & added).sum() > 50


@pytest.mark.parametrize(
    ("size_hw", "expected_hw"), [((96, 192), (160, 320)), ((400, 500), (400, 500)), ((2000, 1000), (640, 320))]
)
def test_a_panel_keeps_its_shape_within_the_limits(size_hw, expected_hw):
    assert draw_panel(grey(*size_hw)).shape == (*expected_hw, 3)


def test_marks_move_with_the_scale_of_the_panel():
    mask_hw = np.zeros((100, 160), bool)
    mask_hw[20:40, 40:80] = True
    panel = draw_panel(grey(100, 160), [Mark(RED, mask_hw, [(40, 20, 80, 40)], [""])])
    rows, columns = np.nonzero(panel[..., 1] < 90)
    assert (rows.min(), rows.max()) == pytest.approx((40, 79), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((80, 159), abs=1)


def test_a_box_without_its_label_is_refused():
    with pytest.raises(ValueError, match="zip"):
        draw_panel(grey(50, 50), [Mark(RED, None, [(1, 1, 5, 5)], [])])


def test_panels_stand_side_by_side_with_captions_below():
    left, right = grey(200, 320), grey(100, 400)
    picture = side_by_side([left, right], ["one", "two\nlines"])
    assert (picture[:200, :320] == left).all() and (picture[:100, 326:726] == right).all()
    assert picture.shape[1] == 726
    below = picture[200:] > 128
    assert below[:, :320].any() and below[:, 326:].any()
    assert below[: picture.shape[0] // 2].any()


def test_a_long_caption_is_wrapped_and_makes_the_picture_taller():
    one_line = side_by_side([grey(50, 320)], ["liver"])
    wrapped = side_by_side([grey(50, 320)], ["liver with several cysts, " * 6])
    assert wrapped.shape[0] > one_line.shape[0] and wrapped.shape[1] == one_line.shape[1]


def test_a_narrow_panel_gets_room_for_its_caption():
    assert side_by_side([grey(640, 40)], ["a caption"]).shape[1] == 320


@pytest.mark.parametrize(("num_panels", "num_captions"), [(0, 0), (2, 1)])
def test_every_panel_needs_a_caption(num_panels, num_captions):
    with pytest.raises(ValueError, match=f"{num_panels} panels with {num_captions} captions"):
        side_by_side([grey(9, 9)] * num_panels, [""] * num_captions)
