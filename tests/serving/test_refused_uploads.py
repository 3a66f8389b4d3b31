"""What must not come in, and that the server goes on after it: bombs, half uploads, dead clients, paths, liars."""

import io
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import PIL.Image
import pytest
from dicom_files import write_dicom
from pydicom.uid import DeflatedExplicitVRLittleEndian
from served import png, served

from gdinousam import Segmenter
from gdinousam.records import Image
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings

FIELDS = {"phrases": "thyroid nodule"}
SECONDS = 1.0  # in which a request must have arrived


@pytest.fixture(scope="module")
def strict(segmenter: Segmenter) -> Iterator[httpx.Client]:
    """A client of a server that takes 300 kB in a second, 5 frames and two requests at once."""
    settings = ServeSettings(max_megabytes=0.3, upload_seconds=SECONDS, queue=2, max_frames=5)
    app = create_app({"small": segmenter}, settings)
    with served(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def refusal(client: httpx.Client, content: bytes, name: str = "a.png", route: str = "segment") -> tuple[int, str]:
    """Status and message of an upload that is refused, after which the server answers as before."""
    files = {"clip" if route == "clips" else "image": (name, content)}
    response = client.post(f"/v1/{route}", files=files, data=FIELDS)
    message = response.json()["error"]["message"]
    assert 400 <= response.status_code < 500 and "\n" not in message and "gdinousam-" not in message
    assert client.get("/healthz").json()["queue"] == 0
    return response.status_code, message


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that says it has this size, with a few bytes of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (10_000, 10_000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_by_its_header(http: httpx.Client, width: int, height: int) -> None:
    start = time.monotonic()
    status, message = refusal(http, png_of_size(width, height))
    assert status == 413 and "pixels" in message and "make it smaller" in message
    assert time.monotonic() - start < 2


def metaimage(**entries: object) -> bytes:
    told = {"ObjectType": "Image", "NDims": 2, "DimSize": "8 8", "ElementType": "MET_UCHAR"} | entries
    told.setdefault("ElementDataFile", "LOCAL")
    return "".join(f"{key} = {value}\n" for key, value in told.items()).encode() + bytes(64)


def nifti_of_size(*shape: int) -> bytes:
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    return bytes(header.binaryblock) + bytes(4 + 64)


@pytest.mark.parametrize(
    ("content", "route", "status", "words"),
    [
        (metaimage(DimSize="90000 90000"), "segment", 413, "million values"),
        (metaimage(DimSize="100 100 30000"), "clips", 413, "million values"),
        (metaimage(DimSize="10 10 30000"), "clips", 413, "30000 frames, more than 2000"),
        (nifti_of_size(30_000, 30_000), "segment", 413, "30000 x 30000"),
        (nifti_of_size(10, 10, 9000), "clips", 413, "9000 frames, more than 2000"),
        (nifti_of_size(8, 8, 3), "segment", 422, "3 frames, not one picture"),
        (metaimage(ElementDataFile="/etc/passwd"), "segment", 415, "must hold its pixels"),
        (metaimage(Comment="x").replace(b"DataFile =", b"DataFile:"), "segment", 415, "must hold its pixels"),
        (metaimage(Comment="ElementDataFile = LOCAL"), "segment", 415, "must hold its pixels"),
        (metaimage(DimSize="8 8\nDimSize: 90000 90000"), "segment", 422, "does not tell its size"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "clips", 415, "of no kind that is taken"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "clips", 415, "of no kind that is taken"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "segment", 415, "of no kind that is taken"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "segment", 415, "of no kind that is taken"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(40), "clips", 422, "cannot be taken"),
        (b"\x1f\x8b" + bytes(40), "clips", 422, "cannot be taken"),
        (b"", "segment", 415, "is empty"),
    ],
)
def test_files_that_lie_or_lead_elsewhere_are_refused(
    http: httpx.Client, content: bytes, route: str, status: int, words: str
) -> None:
    found, message = refusal(http, content, "a.mp4", route)
    assert (found, words in message) == (status, True), message


def test_dicom_files_that_lie_are_refused(http: httpx.Client, tmp_path: Path) -> None:
    pixels = np.zeros((4, 4), dtype=np.uint8)
    large = write_dicom(tmp_path / "large", pixels, Rows=60_000, Columns=60_000).read_bytes()
    assert refusal(http, large) == (413, "the picture is 60000 x 60000 pixels, more than 16 million; make it smaller")
    long = write_dicom(tmp_path / "long", pixels, NumberOfFrames=9000).read_bytes()
    assert refusal(http, long, route="clips")[0] == 413
    deflated = write_dicom(tmp_path / "deflated", pixels, TransferSyntaxUID=DeflatedExplicitVRLittleEndian)
    assert refusal(http, deflated.read_bytes()) == (
        415,
        "a deflated DICOM file is not taken; send it uncompressed or as JPEG",
    )


def test_damaged_pictures_are_one_line(http: httpx.Client, image: Image) -> None:
    whole = png(image)
    status, message = refusal(http, whole[: len(whole) // 2])
    assert status == 422 and message.startswith("the file cannot be taken: ")
    frames = io.BytesIO()
    pages = [PIL.Image.fromarray(image)] * 2
    pages[0].save(frames, format="TIFF", save_all=True, append_images=pages[1:])
    assert "holds 2 frames" in refusal(http, frames.getvalue())[1]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "C:\\a\\b.png", "a\x00b.png", "x" * 2000, "%2e%2e"]
)
def test_names_are_no_paths(http: httpx.Client, image: Image, name: str) -> None:
    response = http.post("/v1/segment", files={"image": (name, png(image))}, data=FIELDS)
    source = response.json()["source"]
    assert response.status_code == 200 and len(source) <= 200 and "/" not in source and "\\a" not in source


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../settings.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/v1/clips/..%2f..%2fetc",
        "/v1/../x",
    ],
)
def test_paths_lead_nowhere(address: str, path: str) -> None:
    with socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", "image/png", ""]
)
def test_other_types_of_content_are_refused(http: httpx.Client, image: Image, kind: str) -> None:
    response = http.post("/v1/segment", content=png(image), headers={"Content-Type": kind})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "not_a_form")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=other"])
def test_a_form_that_is_none_is_refused(http: httpx.Client, image: Image, kind: str) -> None:
    response = http.post("/v1/segment", content=png(image), headers={"Content-Type": kind})
    assert response.status_code in (400, 422) and response.json()["error"]["message"]


def test_a_field_where_a_file_belongs_is_refused(http: httpx.Client, image: Image) -> None:
    response = http.post("/v1/segment", files={"phrases": png(image)}, data={"image": "a.png"})
    assert response.status_code == 422


@pytest.mark.parametrize("tells_length", [True, False])
def test_too_large_a_request_is_refused(strict: httpx.Client, tells_length: bool) -> None:
    def parts() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        for _ in range(8):
            yield bytes(100_000)
        yield b"\r\n--b--\r\n"

    content: Any = b"".join(parts()) if tells_length else parts()
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    response = strict.post("/v1/segment", content=content, headers=kind)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


def begin(client: httpx.Client, sent: bytes = b"--b\r\n") -> socket.socket:
    """A connection that has sent a part of a request and keeps quiet."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=10)
    head = (
        "POST /v1/segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        "Content-Length: 1000\r\n\r\n"
    )
    connection.sendall(head.encode() + sent)
    return connection


def wait_for_queue(client: httpx.Client, number: int) -> None:
    for _ in range(200):
        if client.get("/healthz").json()["queue"] == number:
            return
        time.sleep(0.02)
    raise AssertionError(client.get("/healthz").json())


def test_an_upload_that_stops_half_way_is_given_up(strict: httpx.Client) -> None:
    with begin(strict) as connection:
        wait_for_queue(strict, 1)
        answer = HTTPResponse(connection)
        answer.begin()
        assert (answer.status, json.load(answer)["error"]["code"]) == (408, "too_slow")
    wait_for_queue(strict, 0)


def test_a_client_that_is_gone_leaves_its_place(strict: httpx.Client) -> None:
    begin(strict).close()
    wait_for_queue(strict, 0)


def test_more_requests_than_the_queue_takes_are_told_when_to_come_again(strict: httpx.Client, image: Image) -> None:
    waiting = [begin(strict), begin(strict)]
    wait_for_queue(strict, 2)
    refused = strict.post("/v1/segment", files={"image": png(image)}, data=FIELDS)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
    assert int(refused.headers["Retry-After"]) >= 1
    for connection in waiting:
        connection.close()
    wait_for_queue(strict, 0)
    assert strict.post("/v1/segment", files={"image": png(image)}, data=FIELDS).status_code == 200
