"""Views: what a scanner draws round its images is not looked at, and answers lie in the whole picture."""

from __future__ import annotations

import numpy as np
import pytest
from brightest import Brightest

from gdinousam.data.sources.medical.frames import Region, RegionKind
from gdinousam.errors import InputError
from gdinousam.prediction.views import (
    ViewSettings,
    colour_notes,
    segment_views,
    views_of,
    without_colour,
)
from gdinousam.records import BoxXYXY, Image

HEIGHT, WIDTH = 40, 100
LEFT: BoxXYXY = (5, 4, 45, 36)
RIGHT: BoxXYXY = (55, 4, 95, 36)


def region(box_xyxy: BoxXYXY, kind: RegionKind = "2d", mm: float = 0.1) -> Region:
    return Region(box_xyxy, kind, (mm, mm))


def screen() -> tuple[Image, np.ndarray]:
    """A screen with a small target in its left image and a larger one in its right, and text between and above."""
    image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    targets = np.zeros((2, HEIGHT, WIDTH), dtype=bool)
    targets[0, 10:14, 20:26] = True
    targets[1, 20:30, 60:80] = True
    image[targets.any(axis=0)] = 200
    image[:3, 10:90] = 255
    image[:, 47:53] = 255
    return image, targets


def test_each_view_is_segmented_alone_and_answers_lie_in_the_whole_picture() -> None:
    image, targets = screen()
    method = Brightest()
    (found,) = segment_views(method, [image], [(LEFT, RIGHT)], [["cyst", "mass"]])
    assert [one.shape for one in method.seen] == [(32, 40, 3)] * 2
    assert [one.phrase for one in found] == ["cyst", "cyst", "mass", "mass"]
    for one, target in zip(found, [targets[1], targets[0]] * 2, strict=True):  # the larger one has the higher score
        assert one.mask_hw is not None and (one.mask_hw == target).all()
    assert [one.box_xyxy for one in found[:2]] == [(60, 20, 80, 30), (20, 10, 26, 14)]
    assert found[0].score > found[1].score


def test_views_can_be_switched_off() -> None:
    image, _ = screen()
    method = Brightest()
    (found,) = segment_views(method, [image], [(LEFT, RIGHT)], [["cyst"]], ViewSettings(by_regions=False))
    assert [one.shape for one in method.seen] == [image.shape]
    assert found[0].mask_hw is not None and found[0].mask_hw[0, 50]


def test_a_picture_without_a_view_is_not_segmented_and_its_neighbours_keep_their_answers() -> None:
    image, targets = screen()
    method = Brightest()
    whole: BoxXYXY = (0, 0, WIDTH, HEIGHT)
    found = segment_views(method, [image, image, image], [(LEFT,), (), (whole,)], [["a"], ["b"], ["c", "d"]])
    assert [[one.phrase for one in of_image] for of_image in found] == [["a"], [], ["c", "d"]]
    assert found[0][0].mask_hw is not None and (found[0][0].mask_hw == targets[0]).all()
    assert segment_views(Brightest(), [image], [()], [["a"]]) == [[]]
    with pytest.raises(InputError, match="2 images but views of 1"):
        segment_views(method, [image, image], [(LEFT,)], [["a"], ["a"]])


def test_two_images_side_by_side_are_two_views_and_flow_within_one_is_none() -> None:
    flow: BoxXYXY = (15, 10, 40, 30)
    found = views_of([region(RIGHT), region(LEFT), region(flow)], WIDTH, HEIGHT)
    assert found.boxes == (LEFT, RIGHT)
    assert found.notes == ("2 views, segmented one by one",)
    assert views_of([region(flow), region(LEFT)], WIDTH, HEIGHT).boxes == (LEFT,)
    other_scale = views_of([region(RIGHT, mm=0.2), region(LEFT)], WIDTH, HEIGHT)
    assert other_scale.notes[1:] == ("the views have different scales: lengths are in pixels",)


def test_regions_that_join_two_others_become_one_view_with_them() -> None:
    bridge: BoxXYXY = (20, 4, 70, 36)
    wide: BoxXYXY = (40, 4, 95, 36)
    assert views_of([region(LEFT), region(wide), region(bridge)], WIDTH, HEIGHT).boxes == ((5, 4, 95, 36),)


def test_traces_are_not_segmented_and_it_is_said() -> None:
    found = views_of([region(LEFT), region(RIGHT, "m-mode"), region(RIGHT, "graphics")], WIDTH, HEIGHT)
    assert (found.boxes, found.notes) == ((LEFT,), ("not segmented: m-mode region",))
    only_traces = views_of([region(LEFT, "spectral"), region(RIGHT, "m-mode")], WIDTH, HEIGHT)
    assert only_traces.boxes == ()
    assert only_traces.notes == ("nothing is segmented: the file tells only m-mode and spectral regions",)


def test_where_no_region_is_told_or_known_the_whole_picture_is_the_view() -> None:
    for regions in ([], [region(LEFT, "unknown")]):
        found = views_of(regions, WIDTH, HEIGHT)
        assert found.boxes == ((0, 0, WIDTH, HEIGHT),)
        assert "the whole picture is segmented" in found.notes[0]


def test_colours_become_their_brightness_and_greys_stay() -> None:
    image, _ = screen()
    image[10:20, 60:80] = 250, 30, 20
    before = image.copy()
    grey = without_colour(image)
    assert (image == before).all()
    assert (grey[10:20, 60:80] == 95).all()  # 0.299 * 250 + 0.587 * 30 + 0.114 * 20
    coloured = np.zeros((HEIGHT, WIDTH), dtype=bool)
    coloured[10:20, 60:80] = True
    assert (grey[~coloured] == image[~coloured]).all()
    assert colour_notes(image) == (
        "colour Doppler or another colour: 5% of the pixels are coloured, shown to the model as grey",
    )
    keep = ViewSettings(colour="keep")
    assert colour_notes(image, keep)[0].endswith("in colour")
    assert colour_notes(grey) == ()
    for settings, red in ((ViewSettings(), 95), (keep, 250)):
        method = Brightest()
        segment_views(method, [image], [((0, 0, WIDTH, HEIGHT),)], [["cyst"]], settings)
        assert method.seen[0][15, 70, 0] == red
