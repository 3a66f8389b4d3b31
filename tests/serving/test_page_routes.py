"""What the page needs of the server over HTTP: pictures and frames, files to take away, and saved corrections."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest
from served import png, served

from gdinousam import Segmenter
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_image
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.data.sources.phantoms.clip_files import write_clips
from gdinousam.data.sources.video import read_video
from gdinousam.records import Image
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings
from tests.dicom_files import region, write_dicom

PHRASE = "thyroid nodule"


def decoded(answer: dict[str, Any]) -> Image:
    pixels = PIL.Image.open(io.BytesIO(base64.b64decode(answer["png"])))
    return np.asarray(pixels.convert("RGB"))


def rle(image: Image) -> dict[str, Any]:
    mask_hw = np.zeros(image.shape[:2], dtype=bool)
    mask_hw[20:50, 30:70] = True
    return encode_rle(mask_hw)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "clips"
    write_clips(folder, 1, 4)
    return folder / "clip_000.avi"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "corrections"


@pytest.fixture
def saving(segmenter: Segmenter, folder: Path) -> Iterator[httpx.Client]:
    """A client of a server that takes corrections."""
    with served(create_app({"small": segmenter}, ServeSettings(corrections=folder))) as address:
        yield httpx.Client(base_url=address, timeout=60)


def test_a_picture_in_colour(http: httpx.Client) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    answer = http.post("/v1/picture", files={"image": ("C:\\patients\\a.png", png(image))}).json()
    assert np.array_equal(decoded(answer), image)
    assert (answer["source"], answer["size_hw"], answer["num_frames"]) == ("a.png", [20, 30], 1)
    assert answer["notes"] == ["is a picture in colour; the models know ultrasound, which is grey for the most part"]


def test_a_dicom_picture_with_its_spacing_and_regions(http: httpx.Client, image: Image, tmp_path: Path) -> None:
    regions = [region(0, 0, 79, 99), region(90, 0, image.shape[1] - 1, 99)]
    path = write_dicom(tmp_path / "a.dcm", image[:, :, 0], SequenceOfUltrasoundRegions=regions, PatientName="Doe^Jane")
    answer = http.post("/v1/picture", files={"image": path.read_bytes()})
    assert "Doe" not in answer.text
    assert np.array_equal(decoded(answer.json()), image)
    assert answer.json()["views"] == [[0, 0, 80, 100], [90, 0, image.shape[1], 100]]
    assert answer.json()["spacing_mm"] == pytest.approx([0.2, 0.3])


def test_frames_of_a_clip(http: httpx.Client, clip: Path) -> None:
    frames = list(read_video(clip))
    for number in (0, 3):
        files = {"image": ("clip.avi", clip.read_bytes())}
        answer = http.post("/v1/picture", files=files, data={"frame": number}).json()
        assert np.array_equal(decoded(answer), frames[number]) and answer["num_frames"] == 4 and answer["fps"] > 0
    refused = http.post("/v1/picture", files={"image": clip.read_bytes()}, data={"frame": 4})
    assert refused.status_code == 422
    assert refused.json()["error"]["message"] == "frame 4: the file has 4, the first of which is 0"


def test_a_frame_that_does_not_decode(http: httpx.Client, clip: Path) -> None:
    cut = clip.read_bytes()
    cut = cut[: len(cut) // 2] + bytes(len(cut) - len(cut) // 2)
    for number in range(4):
        answer = http.post("/v1/picture", files={"image": cut}, data={"frame": number})
        assert answer.status_code in (200, 422) and "gdinousam-" not in answer.text
    assert answer.status_code == 422 and "upload" not in answer.text


@pytest.mark.parametrize(
    ("content", "expected"),
    [("{", "content: Invalid JSON"), ('{"pictures": []}', "content: pictures: List should have at least 1 item")],
)
def test_an_export_that_is_refused(http: httpx.Client, content: str, expected: str) -> None:
    refused = http.post("/v1/export/coco", files={"content": content.encode()})
    assert refused.status_code == 422 and refused.json()["error"]["message"].startswith(expected)
    assert http.post("/v1/export/other", files={"content": content.encode()}).status_code == 422


def test_without_a_folder_nothing_is_saved(http: httpx.Client, image: Image) -> None:
    assert http.get("/v1/corrections").json() == {"enabled": False, "num_images": 0}
    refused = http.post("/v1/corrections", files={"image": png(image)}, data={"objects": "[]"})
    assert refused.status_code == 409 and "--corrections FOLDER" in refused.json()["error"]["message"]


def test_saving(saving: httpx.Client, folder: Path, image: Image, clip: Path) -> None:
    objects = json.dumps([{"phrase": PHRASE, "mask": rle(image)}])
    absent = json.dumps(["fetal head"])
    saved = saving.post(
        "/v1/corrections", files={"image": ("Doe.png", png(image))}, data={"objects": objects, "absent": absent}
    )
    name = saved.json()["image_name"]
    assert saved.json() == {
        **{"image_name": name, "split": "train", "num_rows": 2, "num_images": 1, "replaced": False},
    }
    frame = list(read_video(clip))[2]
    data = {"objects": json.dumps([{"phrase": "cyst", "mask": rle(frame)}]), "frame": 2}
    assert saving.post("/v1/corrections", files={"image": clip.read_bytes()}, data=data).json()["split"] == "val"
    assert saving.get("/v1/corrections").json() == {"enabled": True, "num_images": 2}
    (record,) = read_records(folder / "val.CSV", folder / "val", folder / "val_mask")
    assert np.array_equal(read_image(record.path), frame) and (record.group or "").startswith("clip ")
    assert not [path for path in folder.rglob("*") if "Doe" in path.name]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ("[{}]", "objects or absent: 0.phrase: Field required"),
        ("[]", "nothing to save"),
        ('[{"phrase": "cyst", "mask": {"size": [3, 3], "counts": "9"}}]', "object 1: its mask has size [3, 3]"),
        ('[{"phrase": "cyst", "mask": {"size": [175, 176], "counts": "~~"}}]', "object 1: its run lengths are cut off"),
    ],
)
def test_corrections_that_are_refused(
    saving: httpx.Client, folder: Path, image: Image, objects: str, expected: str
) -> None:
    objects = objects.replace("[175, 176]", json.dumps(list(image.shape[:2])))
    refused = saving.post("/v1/corrections", files={"image": png(image)}, data={"objects": objects})
    assert refused.status_code == 422 and refused.json()["error"]["message"].startswith(expected)
    assert not folder.exists()
