"""The client: what the same calls give in Python, without torch, and errors that say what to do."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from dicom_files import region, write_dicom
from pydantic import SecretStr
from served import png, served

import gdinousam
from gdinousam import Segmenter
from gdinousam.client import Client, Prediction, ServerError
from gdinousam.errors import InputError
from gdinousam.prediction.writing.clips import written_video
from gdinousam.records import Click, Hint, Image
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings

ROOT = Path(__file__).parents[2]
PHRASE = "thyroid nodule"
TOKEN = "correct-horse-battery"

# Only what a client needs may be imported: the standard library, httpx with what it is made of, numpy and Pillow.
BARE = """
import sys
ALLOWED = set(sys.stdlib_module_names) | {{
    "gdinousam", "numpy", "PIL", "httpx", "httpcore", "h11", "anyio", "sniffio", "certifi", "idna", "typing_extensions"
}}
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED:
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Nothing())
try:
    import torch
except ImportError:
    pass
else:
    sys.exit("torch is here")
from gdinousam.client import Client
from gdinousam.errors import InputError
from gdinousam.records import Hint
with Client({address!r}) as client:
    prediction = client.segment({path!r}, {phrase!r})
    (first, *_) = prediction.detections
    assert first.mask_hw.shape == prediction.size_hw and first.mask_hw.any()
    assert prediction.measurements()[0].area == first.mask_hw.sum() and prediction.to_dicts()
    assert client.correct({path!r}, [Hint("cyst", first.box_xyxy)]).detections
    try:
        client.segment({path!r}, "?")
    except InputError:
        print(prediction)
"""


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


def require_same(found: Prediction, expected: gdinousam.Prediction) -> None:
    assert (found.phrases, found.spacing_mm, found.notes) == (expected.phrases, expected.spacing_mm, expected.notes)
    assert (found.size_hw, found.made_by) == (expected.size_hw, expected.made_by)
    assert found.measurements() == expected.measurements() and found.to_dicts() == expected.to_dicts()
    for one, other in zip(found.detections, expected.detections, strict=True):
        assert (one.phrase, one.box_xyxy, one.score) == (other.phrase, other.box_xyxy, other.score)
        assert one.quality == other.quality
        np.testing.assert_array_equal(one.mask_hw, other.mask_hw)


@pytest.mark.parametrize("kind", ["text", "path", "bytes", "file", "PIL", "array", "grey", "floats"])
def test_every_kind_of_image_gives_what_python_gives(
    client: Client, segmenter: Segmenter, image: Image, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "neck.png"
    path.write_bytes(png(image))
    with path.open("rb") as file, PIL.Image.open(path) as picture:
        given: dict[str, Any] = {
            "text": str(path),
            "path": path,
            "bytes": path.read_bytes(),
            "file": file,
            "PIL": picture,
            "array": image,
            "grey": image[..., 0],
            "floats": image / 255,
        }
        found = client.segment(given[kind], [PHRASE], max_detections=1)
    require_same(found, segmenter.predict(image, PHRASE, max_detections=1))
    assert (found.image is None) == (kind in ("text", "path", "bytes", "file"))
    assert repr(found).startswith(f"Prediction('{found.source}', 181 x 188 pixels, thyroid nodule 0.")


def test_dicom_files_and_hints_give_what_python_gives(
    client: Client, segmenter: Segmenter, image: Image, tmp_path: Path
) -> None:
    height, width = image.shape[:2]
    whole = region(0, 0, width - 1, height - 1)
    path = write_dicom(tmp_path / "scan.dcm", image[..., 0], SequenceOfUltrasoundRegions=[whole])
    hints = [Hint(PHRASE, (20.0, 20.0, 90.0, 90.0)), Hint("cyst", None, (Click(50, 60), Click(1, 1, False)), 0.5)]
    require_same(client.correct(path, hints, model="other"), segmenter.correct(path, hints))


def test_the_map_of_a_hint_stays_here_as_the_server_takes_none(
    client: Client, segmenter: Segmenter, image: Image
) -> None:
    box = (20.0, 20.0, 90.0, 90.0)
    with_map = Hint(PHRASE, box, map_hw=np.full((8, 8), -50, np.float32))
    require_same(client.correct(image, [with_map]), segmenter.correct(image, [Hint(PHRASE, box)]))


def test_a_clip_gives_what_python_gives(client: Client, segmenter: Segmenter, image: Image, tmp_path: Path) -> None:
    path, told = tmp_path / "clip.mp4", []
    with written_video(path, 5.0) as show:
        for _ in range(3):
            show(image)
    frames = client.segment_clip(path, PHRASE, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (3, 3)
    for frame, answer in zip(frames, segmenter.predict_clip(path, PHRASE), strict=True):
        assert (frame.index, frame.time_s, frame.is_key) == (answer.index, answer.time_s, answer.is_key)
        for one, other in zip(frame.objects, answer.objects, strict=True):
            assert (one.track, one.is_detected) == (other.track, other.is_detected)
            np.testing.assert_array_equal(one.detection.mask_hw, other.detection.mask_hw)


def test_it_runs_where_nothing_but_httpx_numpy_and_pillow_is(address: str, image: Image, tmp_path: Path) -> None:
    path = tmp_path / "neck.png"
    path.write_bytes(png(image))
    program = BARE.format(address=address, path=str(path), phrase=PHRASE)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Prediction('neck.png', 181 x 188 pixels, thyroid nodule 0.")


def test_models_are_listed(client: Client) -> None:
    assert [one["name"] for one in client.models()] == ["small", "other"]


@pytest.mark.parametrize(
    ("image", "phrases", "words"),
    [
        ("none.png", "cyst", "none.png: cannot be read"),
        (b"nothing", "cyst", "the file is of no kind that is taken"),
        (3, "cyst", "an image or a file is wanted, int was given"),
        (np.zeros((3, 3, 9)), "cyst", "shape 3 x 3 x 9"),
        (np.zeros((9, 9), np.uint8), "?", "no letter or digit"),
        (np.zeros((9, 9), np.uint8), [3], "not a text"),
    ],
)
def test_mistakes_are_one_line(client: Client, image: Any, phrases: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        client.segment(image, phrases)


def test_where_no_server_is_it_says_so(segmenter: Segmenter) -> None:
    with pytest.raises(InputError, match="start one by 'gdinousam serve'"):
        Client("http://127.0.0.1:9").models()
    with pytest.raises(InputError, match="give its address"):
        Client("somewhere").models()
    app = create_app({"small": segmenter}, ServeSettings(token=SecretStr(TOKEN)))
    with served(app) as address:
        with pytest.raises(InputError, match="send the server's token"):
            Client(address).models()
        assert Client(address, TOKEN).models()[0]["name"] == "small"


def test_a_server_that_stays_busy_is_an_error_in_the_end(segmenter: Segmenter, image: Image) -> None:
    app = create_app({"small": segmenter}, ServeSettings(queue=1))
    with served(app) as address, Client(address, patience_s=0) as hasty, Client(address, patience_s=30) as patient:
        with app.state.services.admission.place(), pytest.raises(ServerError, match="send it again later"):
            hasty.segment(image, PHRASE)
        assert patient.segment(image, PHRASE).detections
