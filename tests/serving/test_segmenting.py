"""Pictures over HTTP: the answers are those of the same calls in Python, and what cannot be taken is one line."""

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest
from dicom_files import SECRETS, region, write_dicom
from served import png, served

from gdinousam import Prediction, Segmenter
from gdinousam.data.sources.coco.segmentation import decode_segmentation, encode_rle
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.records import Click, Hint, Image
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings
from gdinousam.serving.uploads import PICTURE_FORMATS

PHRASE = "thyroid nodule"


def error_of(response: httpx.Response, status: int) -> dict[str, str]:
    assert response.status_code == status, response.text
    content = response.json()
    assert content.keys() == {"error"} and content["error"].keys() == {"code", "message"}
    assert "\n" not in content["error"]["message"] and "/tmp" not in content["error"]["message"]
    return dict(content["error"])


def require_same(answer: dict[str, Any], expected: Prediction) -> None:
    """Not nearly: bit for bit."""
    assert tuple(answer["size_hw"]) == expected.size_hw and answer["phrases"] == list(expected.phrases)
    assert len(answer["detections"]) == len(expected.detections)
    for one, other in zip(answer["detections"], expected.detections, strict=True):
        assert (one["phrase"], one["score"], one["quality"]) == (other.phrase, other.score, other.quality)
        assert tuple(one["box_xyxy"]) == other.box_xyxy
        assert other.mask_hw is not None and one["mask"] == encode_rle(other.mask_hw)


def test_health_and_models(http: httpx.Client, segmenter: Segmenter) -> None:
    assert http.get("/healthz").json() == {"status": "ok", "models": ["small", "other"], "queue": 0}
    small, other = http.get("/v1/models").json()["models"]
    assert (small["name"], other["name"]) == ("small", "other")
    assert PHRASE in small["phrases"] and small["corrects"] == ["box", "click"]
    assert small["thresholds"] == segmenter.made_by.thresholds and small["weights"] == segmenter.made_by.weights


def test_a_picture_is_segmented_as_in_python(http: httpx.Client, segmenter: Segmenter, image: Image) -> None:
    expected = segmenter.predict(image, [PHRASE, "cyst"])
    assert expected.detections
    fields = {"phrases": [PHRASE, "cyst"]}
    response = http.post("/v1/segment", files={"image": ("C:\\scans\\neck.png", png(image))}, data=fields)
    answer = response.json()
    assert response.status_code == 200, answer
    require_same(answer, expected)
    assert (answer["source"], answer["spacing_mm"], answer["made_by"]["model"]) == ("neck.png", None, "small")
    size, (measured, *_) = answer["detections"][0]["measurement"], expected.measurements()
    assert {name: size[name] for name in ("unit", "area")} == {"unit": measured.unit, "area": measured.area}


def test_masks_come_as_wanted_and_thresholds_hold(http: httpx.Client, segmenter: Segmenter, image: Image) -> None:
    (expected,) = segmenter.predict(image, PHRASE, max_detections=1).detections
    fields = {"phrases": PHRASE, "max_detections": "1", "model": "other"}
    file = {"image": png(image)}
    (found,) = http.post("/v1/segment", files=file, data=fields | {"masks": "png"}).json()["detections"]
    pixels = np.array(PIL.Image.open(io.BytesIO(base64.b64decode(found["mask"]["png"]))))
    np.testing.assert_array_equal(pixels, 255 * expected.mask_hw)
    (found,) = http.post("/v1/segment", files=file, data=fields | {"masks": "none"}).json()["detections"]
    assert found["mask"] is None and found["measurement"]["area"] > 0
    answer = http.post("/v1/segment", files=file, data=fields | {"threshold": "0.999"}).json()
    assert answer["detections"] == [] and answer["made_by"]["thresholds"]["box_threshold"] == 0.999


@pytest.mark.parametrize("kind", PICTURE_FORMATS)
def test_pictures_of_every_kind_are_taken_whatever_they_are_called(
    http: httpx.Client, segmenter: Segmenter, image: Image, kind: str
) -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, format=kind)
    answer = http.post("/v1/segment", files={"image": ("scan.txt", file.getvalue())}, data={"phrases": PHRASE}).json()
    require_same(answer, segmenter.predict(io.BytesIO(file.getvalue()), PHRASE))


def test_a_dicom_file_is_measured_in_mm_and_tells_no_patient(
    http: httpx.Client, image: Image, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    height, width = image.shape[:2]
    whole = region(0, 0, width - 1, height - 1)
    path = write_dicom(tmp_path / "scan.dcm", image[..., 0], SequenceOfUltrasoundRegions=[whole])
    with caplog.at_level("DEBUG"):
        response = http.post("/v1/segment", files={"image": ("doe_john", path.read_bytes())}, data={"phrases": PHRASE})
    answer = response.json()
    assert answer["spacing_mm"] == pytest.approx([0.2, 0.3]) and answer["source"] == "doe_john"
    assert answer["detections"][0]["measurement"]["unit"] == "mm"
    assert not [one for one in SECRETS if one in response.text.lower()]
    said = caplog.text.lower()
    assert "/v1/segment" in said and "doe_john" not in said and not [one for one in SECRETS if one in said]


def test_hints_are_drawn_as_in_python(http: httpx.Client, segmenter: Segmenter, image: Image) -> None:
    x0, y0, x1, y1 = segmenter.predict(image, PHRASE).detections[0].box_xyxy
    centre = Click((x0 + x1) / 2, (y0 + y1) / 2)
    hints = [Hint(PHRASE, (x0, y0, x1, y1), (), 0.5), Hint("cyst", None, (centre, Click(3, 4, False)))]
    expected = segmenter.correct(image, hints)
    assert [one.phrase for one in expected.detections] == [PHRASE, "cyst"]
    sent = [
        {"phrase": PHRASE, "box_xyxy": [x0, y0, x1, y1], "score": 0.5},
        {
            "phrase": "cyst",
            "box_xyxy": None,
            "clicks": [{"x": centre.x, "y": centre.y}, {"x": 3, "y": 4, "is_foreground": False}],
        },
    ]
    answer = http.post("/v1/correct", files={"image": png(image)}, data={"hints": json.dumps(sent)}).json()
    require_same(answer, expected)
    assert decode_segmentation(answer["detections"][1]["mask"], expected.size_hw) is not None
    nothing = http.post("/v1/correct", files={"image": png(image)}, data={"hints": "[]"}).json()
    assert nothing["detections"] == []


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        ('[{"phrase": "cyst"}]', "neither box nor click"),
        ('[{"phrase": "cyst", "clicks": [{"x": 9999, "y": 1}]}]', "outside the image"),
        ('[{"phrase": "cyst", "box_xyxy": [5, 5, 1, 1]}]', "x0 <= x1"),
        ('[{"phrase": "cyst", "box_xyxy": [5, 5, 1]}]', "hints: 0.box_xyxy"),
        ('[{"phrase": "cyst", "clicks": [{"x": NaN, "y": 1}]}]', "hints"),
        ("nothing", "hints: Invalid JSON"),
    ],
)
def test_hints_that_cannot_be_drawn_are_one_line(http: httpx.Client, image: Image, hints: str, words: str) -> None:
    response = http.post("/v1/correct", files={"image": png(image)}, data={"hints": hints})
    assert words in error_of(response, 422)["message"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, 422, "phrases: Field required"),
        ({"phrases": "..."}, 422, "no letter or digit"),
        ({"phrases": "cyst", "threshold": "2"}, 422, "threshold: Input should be less than or equal to 1"),
        ({"phrases": "cyst", "threshold": "nan"}, 422, "threshold"),
        ({"phrases": "cyst", "max_detections": "0"}, 422, "max_detections"),
        ({"phrases": "cyst", "masks": "svg"}, 422, "masks"),
        ({"phrases": "cyst", "model": "../small"}, 404, "small, other"),
        ({"phrases": ["cyst"] * 33}, 422, "at most 32"),
        ({"phrases": "very " * 100}, 422, "phrases"),
    ],
)
def test_fields_that_cannot_be_taken_are_one_line(
    http: httpx.Client, image: Image, fields: dict[str, Any], status: int, words: str
) -> None:
    response = http.post("/v1/segment", files={"image": png(image)}, data=fields)
    assert words in error_of(response, status)["message"]


def test_concurrent_requests_get_their_own_answers(address: str, segmenter: Segmenter) -> None:
    families = ("thyroid", "breast", "muscle", "liver")
    images = [make_phantom(np.random.default_rng(n), family=families[n % 4]).image for n in range(6)]
    phrases = [[PHRASE], ["benign breast lesion", "cyst"], ["breast tumor"], [PHRASE, "benign liver lesion"]] * 2

    def ask(number: int) -> dict[str, Any]:
        fields = {"phrases": phrases[number]}
        response = httpx.post(f"{address}/v1/segment", files={"image": png(images[number])}, data=fields, timeout=60)
        return dict(response.json())

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    for answer, image, row in zip(answers, images, phrases[:6], strict=True):
        require_same(answer, segmenter.predict(image, row))


def test_batches_give_the_answers_of_single_images(segmenter: Segmenter) -> None:
    images = [make_phantom(np.random.default_rng(n), family="thyroid").image for n in range(4)]
    settings = ServeSettings(together=4, wait_ms=2000)
    with served(create_app({"small": segmenter}, settings)) as address, ThreadPoolExecutor(4) as pool:

        def ask(image: Image) -> dict[str, Any]:
            files = {"image": png(image)}
            response = httpx.post(f"{address}/v1/segment", files=files, data={"phrases": PHRASE}, timeout=60)
            return dict(response.json())

        answers = list(pool.map(ask, images))
    for answer, image in zip(answers, images, strict=True):
        expected = segmenter.predict(image, PHRASE).detections
        assert [one["phrase"] for one in answer["detections"]] == [one.phrase for one in expected]
        for one, other in zip(answer["detections"], expected, strict=True):
            assert one["score"] == pytest.approx(other.score, abs=1e-5)
            assert one["box_xyxy"] == pytest.approx(other.box_xyxy, abs=1e-2)
