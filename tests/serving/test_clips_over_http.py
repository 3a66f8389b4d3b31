"""Clips over HTTP: taken in at once, answered as in Python, stopped and forgotten on request."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from served import png, served

from gdinousam import Segmenter
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.data.sources.video import read_video
from gdinousam.prediction.writing.clips import written_video
from gdinousam.records import Image
from gdinousam.serving.app import create_app
from gdinousam.serving.clip_jobs import ClipJobs
from gdinousam.serving.settings import ServeSettings

PHRASE = "thyroid nodule"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames in which a picture moves to the right."""
    frame = make_phantom(np.random.default_rng(0), family="thyroid").image
    path = tmp_path_factory.mktemp("clips") / "doe.mp4"
    with written_video(path, 5.0) as show:
        for shift in range(6):
            show(np.roll(frame, 2 * shift, axis=1))
    return path


@pytest.fixture(scope="module")
def few(segmenter: Segmenter) -> Iterator[httpx.Client]:
    """A client of a server that takes two clips at once, of ten frames at most, and keeps one result."""
    settings = ServeSettings(max_clips=2, max_frames=10, kept_clips=1)
    app = create_app({"small": segmenter}, settings)
    with served(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def send(client: httpx.Client, path: Path, **fields: Any) -> httpx.Response:
    return client.post("/v1/clips", files={"clip": path.read_bytes()}, data={"phrases": PHRASE} | fields)


def wait(client: httpx.Client, number: str) -> dict[str, Any]:
    for _ in range(600):
        state: dict[str, Any] = client.get(f"/v1/clips/{number}").json()
        if state["state"] not in ("waiting", "running"):
            return state
        time.sleep(0.05)
    raise AssertionError(state)


def test_a_clip_is_followed_as_in_python(few: httpx.Client, segmenter: Segmenter, clip: Path, tmp_path: Path) -> None:
    taken = few.post("/v1/clips", files={"clip": ("doe.mp4", clip.read_bytes())}, data={"phrases": PHRASE})
    assert taken.status_code == 202, taken.text
    number = taken.json()["id"]
    assert wait(few, number) == {"state": "done", "frames_done": 6, "num_frames": 6, "error": None}
    result = few.get(f"/v1/clips/{number}/result").json()
    assert (result["source"], result["fps"], result["phrases"]) == ("doe.mp4", 5.0, [PHRASE])
    expected = list(segmenter.predict_clip(clip, PHRASE))
    assert any(answer.objects for answer in expected) and len(result["frames"]) == 6
    for sent, answer in zip(result["frames"], expected, strict=True):
        assert (sent["index"], sent["time_s"], sent["is_key"]) == (answer.index, answer.time_s, answer.is_key)
        assert [one["track"] for one in sent["objects"]] == [one.track for one in answer.objects]
        for one, other in zip(sent["objects"], answer.objects, strict=True):
            assert other.detection.mask_hw is not None and one["mask"] == encode_rle(other.detection.mask_hw)
            assert one["measurement"]["area"] == other.detection.mask_hw.sum()
    video = tmp_path / "shown.mp4"
    video.write_bytes(few.get(f"/v1/clips/{number}/video").content)
    assert len(read_video(video)) == 6
    assert few.delete(f"/v1/clips/{number}").json()["state"] == "cancelled"
    for rest in ("", "/result", "/video"):
        assert few.get(f"/v1/clips/{number}{rest}").status_code == 404


def test_a_picture_is_a_clip_of_one_frame(few: httpx.Client, image: Image) -> None:
    number = few.post("/v1/clips", files={"clip": png(image)}, data={"phrases": PHRASE}).json()["id"]
    assert wait(few, number)["num_frames"] == 1


def test_only_so_many_clips_wait_and_a_stopped_one_makes_room(few: httpx.Client, clip: Path) -> None:
    first, second = send(few, clip).json()["id"], send(few, clip).json()["id"]
    assert few.get(f"/v1/clips/{second}/result").json()["error"]["code"] == "not_done"
    refused = send(few, clip)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
    assert few.delete(f"/v1/clips/{first}").json()["state"] == "cancelled"
    third = send(few, clip)
    assert third.status_code == 202
    assert wait(few, second)["state"] == wait(few, third.json()["id"])["state"] == "done"
    assert few.get(f"/v1/clips/{second}").status_code == 404  # one result is kept, that of the third


@pytest.mark.parametrize(("fields", "status"), [({"phrases": "?"}, 422), ({"model": "none"}, 404)])
def test_what_cannot_be_asked_of_a_clip_is_told_at_once(
    few: httpx.Client, clip: Path, fields: dict[str, str], status: int
) -> None:
    assert send(few, clip, **fields).status_code == status


def test_a_clip_of_too_many_frames_is_refused(few: httpx.Client, clip: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    with written_video(long, 5.0) as show:
        for frame in [*read_video(clip), *read_video(clip)]:
            show(frame)
    refused = send(few, long)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")


def test_a_clip_that_ends_badly_fails_in_one_line(few: httpx.Client, clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:-200])
    refused = send(few, cut)
    assert refused.status_code == 422 and "gdinousam-clips" not in refused.text


def test_nothing_is_left_of_clips_when_the_server_stops(segmenter: Segmenter, clip: Path) -> None:
    app = create_app({"small": segmenter}, ServeSettings())
    with served(app) as address:
        with httpx.Client(base_url=address, timeout=60) as client:
            send(client, clip)
            send(client, clip)
        jobs: ClipJobs = app.state.services.clips
        assert jobs._folder.is_dir()
    assert not jobs._folder.exists()
