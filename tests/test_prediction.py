"""Segmenting files: what is written, what is reported, and what is refused before anything is written."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from gdinousam.errors import InputError
from gdinousam.experiments.predict import predict_files
from gdinousam.records import BoxXYXY, Detection, Image, Need

LEFT: BoxXYXY = (2, 3, 12, 13)
RIGHT: BoxXYXY = (20, 5, 28, 15)
SCORE = 0.75


class BoxesOfPhrases:
    """A method that finds fixed boxes for each phrase it knows; the mask of a box is the box."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self, boxes_xyxy: dict[str, list[BoxXYXY]], with_masks: bool = True) -> None:
        self.boxes_xyxy = boxes_xyxy
        self.with_masks = with_masks

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        return [
            [self._detection(image, phrase, box) for phrase in row for box in self.boxes_xyxy.get(phrase, [])]
            for image, row in zip(images, phrases, strict=True)
        ]

    def _detection(self, image: Image, phrase: str, box_xyxy: BoxXYXY) -> Detection:
        x0, y0, x1, y1 = map(int, box_xyxy)
        mask_hw = np.zeros(image.shape[:2], dtype=bool)
        mask_hw[y0:y1, x0:x1] = True
        return Detection(phrase, box_xyxy, SCORE, mask_hw if self.with_masks else None)


METHOD = BoxesOfPhrases({"cyst": [LEFT, RIGHT], "Benign lesion": [RIGHT]})


@pytest.fixture
def image_path(tmp_path: Path) -> Path:
    """A grey image of 40 x 30 pixels."""
    path = tmp_path / "scan.01.png"
    PILImage.new("L", (40, 30), 90).save(path)
    return path


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_masks_overlay_and_report_of_an_image(image_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "out"
    lines = list(predict_files(METHOD, [image_path], ["cyst", "liver", "Benign lesion"], output))
    assert lines == [
        f"{image_path}: cyst: score 0.75 box 2 3 12 13, score 0.75 box 20 5 28 15, 180 pixels -> "
        f"{output}/scan.01_cyst.png",
        f"{image_path}: liver: not found",
        f"{image_path}: Benign lesion: score 0.75 box 20 5 28 15, 80 pixels -> {output}/scan.01_benign_lesion.png",
    ]
    assert names_in(output) == {"scan.01_overlay.png", "scan.01_cyst.png", "scan.01_benign_lesion.png"}
    mask = np.asarray(PILImage.open(output / "scan.01_cyst.png"))
    expected = np.zeros((30, 40), dtype=np.uint8)
    expected[3:13, 2:12] = expected[5:15, 20:28] = 255
    np.testing.assert_array_equal(mask, expected)


def test_nothing_found_still_gives_a_picture(image_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert list(predict_files(METHOD, [image_path], ["liver"], output)) == [f"{image_path}: liver: not found"]
    assert names_in(output) == {"scan.01_overlay.png"}


def test_a_phrase_given_twice_counts_once(image_path: Path, tmp_path: Path) -> None:
    assert len(list(predict_files(METHOD, [image_path], ["cyst", "cyst"], tmp_path / "out"))) == 1


def test_phrases_of_any_script_have_files_of_their_own(image_path: Path, tmp_path: Path) -> None:
    method = BoxesOfPhrases({"肝": [LEFT], "肾": [RIGHT]})
    list(predict_files(method, [image_path], ["肝", "肾"], tmp_path / "out"))
    assert names_in(tmp_path / "out") == {"scan.01_overlay.png", "scan.01_肝.png", "scan.01_肾.png"}


@pytest.mark.parametrize("phrases", [["overlay"], ["left-cyst", "left cyst"]])
def test_results_of_one_name_are_refused(image_path: Path, tmp_path: Path, phrases: list[str]) -> None:
    with pytest.raises(InputError, match=r"two results would be written as scan\.01_"):
        list(predict_files(METHOD, [image_path], phrases, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_images_of_one_name_are_refused(image_path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two results would be written as"):
        list(predict_files(METHOD, [image_path, image_path.with_suffix(".png")], ["cyst"], tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_named_before_anything_is_written(image_path: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.png"
    with pytest.raises(InputError, match=f"^{missing}: no such image file"):
        list(predict_files(METHOD, [image_path, missing], ["cyst"], tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("no image")
    with pytest.raises(InputError, match=str(path)):
        list(predict_files(METHOD, [path], ["cyst"], tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_phrase_without_letters_is_refused(image_path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no letter or digit"):
        list(predict_files(METHOD, [image_path], ["cyst", "?"], tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_left_alone(image_path: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match=r"cannot write to .*out \(File exists\); name another folder"):
        list(predict_files(METHOD, [image_path], ["cyst"], tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "mine"


def test_a_method_without_masks_is_refused(image_path: Path, tmp_path: Path) -> None:
    method = BoxesOfPhrases({"cyst": [LEFT]}, with_masks=False)
    with pytest.raises(InputError, match="a box without a mask for 'cyst'"):
        list(predict_files(method, [image_path], ["cyst"], tmp_path / "out"))


def test_a_name_that_no_file_can_have_is_refused_before_anything_is_written(image_path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"which has 258 bytes of 250 at most; rename the image, or ask with"):
        list(predict_files(METHOD, [image_path], ["cyst", "x" * 246], tmp_path / "out"))  # scan.01_ ... .png
    assert not (tmp_path / "out").exists()
    assert len(list(predict_files(METHOD, [image_path], ["x" * 238], tmp_path / "out"))) == 1
