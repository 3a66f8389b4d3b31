"""The function for CVAT, held against cvat-sdk: its classes, its decoder of masks, and its own check of answers."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.ExifTags
import PIL.Image
import pytest
from brightest import Brightest

from gdinousam.data.sources.coco.segmentation import decode_segmentation
from gdinousam.errors import InputError
from gdinousam.labelling import cvat
from gdinousam.labelling.cvat import AnnotationFunction, Shapes, create
from gdinousam.models.weights.training_note import trained_phrases
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.segmenter import Segmenter

auto_annotation = pytest.importorskip("cvat_sdk.auto_annotation")
driver = pytest.importorskip("cvat_sdk.auto_annotation.driver")
masks = pytest.importorskip("cvat_sdk.masks")
models = pytest.importorskip("cvat_sdk.models")

WIDTH, HEIGHT = 40, 30
MADE_BY = MadeBy("brightest", None, "brightest", {}, {}, {})


class Context(auto_annotation.DetectionFunctionContext):  # type: ignore[misc]
    """What CVAT tells of an image."""

    frame_name = "a.png"

    def __init__(self, conf_threshold: float | None = None, conv_mask_to_poly: bool = False) -> None:
        self._given = conf_threshold, conv_mask_to_poly

    conf_threshold = property(lambda self: self._given[0])
    conv_mask_to_poly = property(lambda self: self._given[1])


def function(shapes: Shapes = "mask", **options: Any) -> AnnotationFunction:
    labels = {"Cyst": "cyst", "mass": "solid mass"}
    return AnnotationFunction(Segmenter.of(Brightest(score=0.75), MADE_BY), labels, shapes, **options)


def bright(*boxes_xyxy: tuple[int, int, int, int]) -> np.ndarray:
    mask_hw = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for x0, y0, x1, y1 in boxes_xyxy:
        mask_hw[y0:y1, x0:x1] = True
    return mask_hw


def picture(mask_hw: np.ndarray) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.where(mask_hw, 200, 20).astype(np.uint8))


def checked(shapes: list[Any], by: AnnotationFunction, as_polygons: bool = False) -> list[Any]:
    """The shapes as ``annotate_task`` uploads them; its own check raises BadFunctionError for what it does not take."""
    labels = [
        models.Label(id=70 + number, name=label.name, type="any", attributes=[], sublabels=[])
        for number, label in enumerate(by.spec.labels)
    ]
    mapper = driver._AnnotationMapper(
        logging.getLogger(), by.spec.labels, labels, allow_unmatched_labels=False, conv_mask_to_poly=as_polygons
    )
    tags, uploaded = mapper.validate_and_remap(shapes, 5)
    assert tags == []
    assert all(one.frame == 5 and one.source == "auto" for one in uploaded)
    return uploaded


def decoded(points: list[float]) -> np.ndarray:
    return masks.decode_mask(points, image_width=WIDTH, image_height=HEIGHT)


def test_the_labels_are_those_of_the_task_with_the_type_of_their_shapes() -> None:
    spec = function("rectangle").spec
    assert isinstance(spec, auto_annotation.DetectionFunctionSpec)
    assert [(label.name, label.id, label.type) for label in spec.labels] == [
        ("Cyst", 0, "rectangle"),
        ("mass", 1, "rectangle"),
    ]


def test_masks_decode_to_what_was_found_and_pass_the_check_of_the_sdk() -> None:
    mask_hw = bright((3, 4, 20, 22), (30, 0, 40, 5)) & ~bright((8, 8, 10, 12))
    shapes = checked(function().detect(Context(), picture(mask_hw)), function())
    assert [(one.type.value, one.label_id) for one in shapes] == [("mask", 70), ("mask", 71)]
    for one in shapes:
        np.testing.assert_array_equal(decoded(one.points), mask_hw)


def test_rectangles_are_the_boxes_in_pixels() -> None:
    by = function("rectangle")
    shapes = checked(by.detect(Context(), picture(bright((3, 4, 20, 22)))), by)
    assert [(one.type.value, list(one.points)) for one in shapes] == [("rectangle", [3, 4, 20, 22])] * 2


def test_polygons_where_cvat_asks_for_them_and_the_parts_of_an_object_are_a_group() -> None:
    mask_hw = bright((3, 4, 20, 22), (30, 0, 40, 5))
    shapes = checked(function().detect(Context(conv_mask_to_poly=True), picture(mask_hw)), function(), as_polygons=True)
    of_cyst = [one for one in shapes if one.label_id == 70]
    assert [(one.type.value, one.group) for one in of_cyst] == [("polygon", 1)] * 2
    filled = decode_segmentation([list(one.points) for one in of_cyst], (HEIGHT, WIDTH))
    np.testing.assert_array_equal(filled, mask_hw)
    whole = function().detect(Context(conv_mask_to_poly=True), picture(bright((3, 4, 20, 22))))
    assert not any(hasattr(one, "group") for one in whole)


def test_the_threshold_of_cvat_goes_before_that_of_the_function() -> None:
    image = picture(bright((3, 4, 20, 22)))
    strict = AnnotationFunction(Segmenter.load("small"), {"thyroid nodule": "thyroid nodule"}, "mask", threshold=1.0)
    assert strict.detect(Context(), image) == []
    assert len(strict.detect(Context(conf_threshold=0.0), image)) >= 1


def test_nothing_found_is_no_shape() -> None:
    assert function().detect(Context(), picture(bright())) == []


@pytest.mark.parametrize("kind", ["turned", "16 bits", "transparent"])
def test_images_of_every_kind_are_seen_as_cvat_shows_them(kind: str, tmp_path: Path) -> None:
    mask_hw = bright((3, 4, 20, 22))
    grey = np.where(mask_hw, 200, 20)
    path = tmp_path / "a.png"
    if kind == "turned":
        exif = PIL.Image.Exif()
        exif[PIL.ExifTags.Base.Orientation] = 6  # shown a quarter clockwise
        PIL.Image.fromarray(np.rot90(grey).astype(np.uint8)).save(path, exif=exif)
    elif kind == "16 bits":
        PIL.Image.fromarray((grey * 257).astype(np.uint16)).save(path)
    else:
        layers = [np.full_like(grey, 255)] * 3 + [np.where(mask_hw, 255, 0)]
        PIL.Image.fromarray(np.stack(layers, axis=2).astype(np.uint8)).save(path)
    with PIL.Image.open(path) as image:
        first = function().detect(Context(), image)[0]
    np.testing.assert_array_equal(decoded(first.points), mask_hw)


def test_made_as_cvat_makes_it_with_labels_or_a_table_or_all_phrases_of_the_training(tmp_path: Path) -> None:
    def names(made: AnnotationFunction) -> tuple[str, ...]:
        return tuple(label.name for label in made.spec.labels)

    assert names(create(labels=" cyst, solid mass ,")) == ("cyst", "solid mass")
    table = tmp_path / "phrases.yaml"
    table.write_text("Zyste: cyst\nHerd: solid mass\n", encoding="utf-8")
    assert names(create(phrases=str(table))) == ("Zyste", "Herd")
    assert names(create(labels="Herd", phrases=str(table))) == ("Herd",)
    assert names(create()) == trained_phrases("small") != ()


def test_what_cannot_be_taken_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="shapes = 'points'; give mask or rectangle"):
        create(shapes="points")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="random-small tells no phrases of its training; name labels"):
        create("random-small")
    monkeypatch.setitem(sys.modules, "cvat_sdk.auto_annotation", None)
    with pytest.raises(InputError, match=r'pip install "gdinousam\[cvat\]"'):
        cvat.create(labels="cyst")
