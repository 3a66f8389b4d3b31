"""Prediction in Python with the bundled model: what may be given, what comes back, and what is refused."""

import io
import logging
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from dicom_files import SECRETS, region, write_dicom

from gdinousam import Prediction, Segmenter, read_image
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.records import Image

PHRASE = "thyroid nodule"


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load("small", device="cpu")


@pytest.fixture(scope="module")
def image() -> Image:
    return make_phantom(np.random.default_rng(0), family="thyroid").image


@pytest.fixture(scope="module")
def path(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "neck.png"
    write_picture(image, path)
    return path


@pytest.fixture(scope="module")
def expected(segmenter: Segmenter, path: Path) -> Prediction:
    prediction = segmenter.predict(path, PHRASE)
    assert prediction.detections
    return prediction


def require_equal(found: Prediction, expected: Prediction) -> None:
    assert found.size_hw == expected.size_hw and found.phrases == expected.phrases
    assert len(found.detections) == len(expected.detections)
    for one, other in zip(found.detections, expected.detections, strict=True):
        assert one.phrase == other.phrase
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.box_xyxy == pytest.approx(other.box_xyxy, abs=0.05)
        np.testing.assert_array_equal(one.mask_hw, other.mask_hw)


def test_a_prediction_holds_image_phrases_detections_and_what_made_it(expected: Prediction, path: Path) -> None:
    assert (expected.source, expected.spacing_mm, expected.phrases) == ("neck.png", None, (PHRASE,))
    np.testing.assert_array_equal(expected.image, read_image(path))
    one = expected.detections[0]
    assert one.phrase == PHRASE and 0 < one.score < 1
    assert one.mask_hw is not None and one.mask_hw.shape == expected.size_hw and one.mask_hw.any()
    by = expected.made_by
    assert (by.model, by.adapter, by.mask_head) == ("small", None, "small")
    beyond = {"calibration slope", "calibration offset", "maps agreement", "maps mask_weight"}
    assert set(by.thresholds) == {"box_threshold", "further_threshold", "max_detections"} | beyond
    assert set(by.weights) == {"detector", "mask_head"} and all(len(one) == 64 for one in by.weights.values())
    assert set(by.versions) == {"gdinousam", "torch", "transformers"}


@pytest.mark.parametrize("kind", ["text", "file", "bytes", "PIL", "array", "grey", "floats"])
def test_every_kind_of_image_gives_the_same(
    segmenter: Segmenter, image: Image, path: Path, expected: Prediction, kind: str
) -> None:
    given = {
        "text": str(path),
        "file": path.open("rb"),
        "bytes": io.BytesIO(path.read_bytes()),
        "PIL": PIL.Image.open(path),
        "array": image,
        "grey": image[..., 0],
        "floats": image / 255,
    }[kind]
    found = segmenter.predict(given, PHRASE)
    require_equal(found, expected)
    assert found.source == ("neck.png" if kind in ("text", "file") else "image 1")


@pytest.mark.parametrize("layout", ["H W", "3 H W", "1 H W", "H W 3"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16])
def test_tensors_of_every_layout_and_type_give_the_same(
    segmenter: Segmenter, image: Image, expected: Prediction, layout: str, dtype: torch.dtype
) -> None:
    pixels = torch.from_numpy(image)
    tensor = {
        "H W": pixels[..., 0],
        "3 H W": pixels.permute(2, 0, 1),
        "1 H W": pixels[None, ..., 0],
        "H W 3": pixels,
    }[layout]
    tensor = tensor if dtype == torch.uint8 else (tensor / 255).to(dtype).requires_grad_()
    require_equal(segmenter.predict(tensor, PHRASE), expected)


def test_a_dicom_file_is_measured_in_mm_and_tells_no_patient(
    segmenter: Segmenter, image: Image, expected: Prediction, tmp_path: Path
) -> None:
    height, width = image.shape[:2]
    whole = region(0, 0, width - 1, height - 1)  # 0.02 cm across, 0.03 cm down
    path = write_dicom(tmp_path / "scan.dcm", image[..., 0], SequenceOfUltrasoundRegions=[whole])
    with path.open("rb") as file:
        predictions = segmenter.predict([path, file], PHRASE)
    (in_pixels,) = expected.measurements()
    for found in predictions:
        require_equal(found, expected)
        assert found.source == "scan.dcm" and found.spacing_mm == pytest.approx((0.2, 0.3))
        (size,) = found.measurements()
        assert (size.unit, size.area) == ("mm", pytest.approx(0.06 * in_pixels.area))
        assert not [one for one in SECRETS if one in f"{found}{found.made_by}{found.notes}{found.to_coco()}".lower()]


def test_a_dicom_clip_is_not_one_picture(segmenter: Segmenter, image: Image, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "cine.dcm", np.stack([image[..., 0]] * 3), num_frames=3)
    with pytest.raises(InputError, match=r"cine\.dcm: holds 3 frames"):
        segmenter.predict(path, PHRASE)


def test_a_list_gives_a_list_each_as_alone(segmenter: Segmenter, image: Image, expected: Prediction) -> None:
    others = [make_phantom(np.random.default_rng(seed), family="breast").image for seed in range(5)]
    phrases = ["benign lesion", PHRASE]
    together = segmenter.predict([*others, image], phrases)
    assert [one.source for one in together] == [f"image {number}" for number in range(1, 7)]
    for found, alone in zip(together, [*others, image], strict=True):
        require_equal(found, segmenter.predict(alone, phrases))
    assert segmenter.predict([], PHRASE) == []
    assert isinstance(segmenter.predict((image,), PHRASE), list)


def test_each_image_can_have_phrases_of_its_own(segmenter: Segmenter, image: Image, expected: Prediction) -> None:
    first, second, third = segmenter.predict([image, image, image], [[PHRASE], [], ["cyst", PHRASE, "Cyst"]])
    require_equal(first, expected)
    assert (second.phrases, second.detections) == ((), ())
    assert third.phrases == ("cyst", PHRASE)  # what reads alike is asked once
    assert [one.phrase for one in third.detections if one.phrase == PHRASE]


def test_the_threshold_of_a_call_is_the_least_score(segmenter: Segmenter, image: Image, expected: Prediction) -> None:
    score = expected.detections[0].score
    many = segmenter.predict(image, PHRASE, threshold=0.005, max_detections=5)
    assert 1 < len(many.detections) <= 5
    assert all(one.score >= 0.005 for one in many.detections)
    told = {"box_threshold": 0.005, "further_threshold": 0.005, "max_detections": 5}
    assert many.made_by.thresholds == expected.made_by.thresholds | told
    assert len(segmenter.predict(image, PHRASE, threshold=score - 0.01).detections) == 1
    assert segmenter.predict(image, PHRASE, threshold=score + 0.01).detections == ()
    assert len(segmenter.predict(image, PHRASE, threshold=0.005, max_detections=1).detections) == 1
    require_equal(segmenter.predict(image, PHRASE), expected)  # nothing of that stays


@pytest.mark.parametrize(
    "thresholds", [{"threshold": 1.5}, {"threshold": "high"}, {"max_detections": 0}, {"max_detections": 2.5}]
)
def test_thresholds_that_cannot_be_are_refused(segmenter: Segmenter, image: Image, thresholds: dict) -> None:
    (name,) = thresholds
    with pytest.raises(InputError, match=f"{name} = "):
        segmenter.predict(image, PHRASE, **thresholds)


def test_a_method_without_thresholds_says_so(segmenter: Segmenter, image: Image, expected: Prediction) -> None:
    class Boxes:
        needs = frozenset({"text"})

        def segment(self, images, phrases):
            return [list(expected.detections) for _ in images]

    other = Segmenter.of(Boxes(), expected.made_by)
    require_equal(other.predict(image, PHRASE), expected)
    with pytest.raises(InputError, match="no thresholds"):
        other.predict(image, PHRASE, threshold=0.5)


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ("", "no letter or digit"),
        (" . ", "no letter or digit"),
        ([], "phrases is empty"),
        ([[]], "phrases is empty"),
        (" ".join(["lesion"] * 500), "takes 50. tokens, the model reads 64; shorten it"),
        ("cyst. mass.", "give each as its own: cyst, mass"),
        ([["cyst"], ["mass"]], "1 images but phrases of 2"),
        (["cyst", 5], r"phrases\[1\] is 5"),
        (None, "phrases is None"),
    ],
)
def test_phrases_that_cannot_be_asked_are_refused_in_one_line(
    segmenter: Segmenter, image: Image, phrases: object, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        segmenter.predict([image], phrases)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("https://example.org/scan.png", "web|network"),
        ("missing.png", "missing.png: no such"),
        (io.StringIO("text"), "as text"),
        (io.BytesIO(b"no picture"), "image 1: not readable"),
        (None, "None"),
        (iter([]), "a generator; give a list"),
        (np.zeros((2, 5, 5, 3), np.uint8), "2 x 5 x 5 x 3"),
        (np.zeros((0, 5), np.uint8), "0 x 5"),
        (np.full((4, 4), np.nan), "nan"),
        (torch.zeros(2, 3, 5, 5), "2 x 3 x 5 x 5"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(segmenter: Segmenter, given: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        segmenter.predict(given, PHRASE)  # type: ignore[call-overload]
    assert "\n" not in str(caught.value)


def test_the_place_of_a_bad_image_in_a_list_is_told(segmenter: Segmenter, image: Image) -> None:
    with pytest.raises(InputError, match=r"images\[1\]"):
        segmenter.predict([image, image[:, :, :2]], PHRASE)


@pytest.mark.parametrize("size_hw", [(1, 1), (60, 80)])
def test_a_blank_image_has_nothing_and_says_so(
    segmenter: Segmenter, size_hw: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    prediction = segmenter.predict(np.full(size_hw, 7, np.uint8), PHRASE, threshold=0.0)
    assert prediction.detections == ()
    assert "blank" in prediction.notes[0]
    assert "image 1" in caplog.text and "blank" in caplog.text


def test_a_few_pixels_are_an_image_too(segmenter: Segmenter) -> None:
    prediction = segmenter.predict(np.arange(7, dtype=np.uint8)[None], PHRASE, threshold=0.0, max_detections=2)
    assert prediction.size_hw == (1, 7)
    assert all(0 <= one.area <= 7 for one in prediction.measurements())


@pytest.mark.slow
def test_an_image_of_8000_pixels_is_segmented_at_its_own_size(segmenter: Segmenter, image: Image) -> None:
    large = np.asarray(PIL.Image.fromarray(image).resize((8000, 8000)))
    prediction = segmenter.predict(large, PHRASE)
    assert prediction.detections[0].mask_hw is not None
    assert prediction.detections[0].mask_hw.shape == (8000, 8000)
    assert prediction.measurements()[0].area > 1000


def test_a_colour_photo_is_segmented_but_remarked_on(
    segmenter: Segmenter, image: Image, expected: Prediction, caplog: pytest.LogCaptureFixture
) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    prediction = segmenter.predict(photo, PHRASE)
    assert any("colour" in note for note in prediction.notes)
    assert "colour" in caplog.text
    assert expected.notes == ()


def test_a_phrase_that_no_training_had_is_answered_with_a_word_of_warning_once(
    segmenter: Segmenter, image: Image, caplog: pytest.LogCaptureFixture
) -> None:
    prediction = segmenter.predict(image, ["甲状腺结节", PHRASE])
    assert prediction.phrases == ("甲状腺结节", PHRASE)
    assert "never had '甲状腺结节'" in caplog.text and PHRASE not in caplog.text.split(";")[0]
    caplog.clear()
    segmenter.predict(image, "甲状腺结节")
    assert caplog.text == ""


def test_loading_says_in_one_line_what_was_loaded(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gdinousam.prediction"):
        Segmenter.load("small", device="cpu")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("gdinousam.prediction")]
    assert ours == ["loaded detector small, no adapter, mask head small, on cpu"]


def test_a_segmenter_says_what_it_was_made_of(segmenter: Segmenter) -> None:
    assert repr(segmenter) == "Segmenter('small', adapter=None, mask_head='small')"
