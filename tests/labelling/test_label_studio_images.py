"""The image of a task comes out of the task, one folder or one address, and from nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from label_studio_host import PERSONAL, Host, host
from pydantic import ValidationError

from gdinousam.errors import InputError
from gdinousam.labelling.label_studio.host import LabelStudioHost
from gdinousam.labelling.label_studio.images import TaskImages
from gdinousam.labelling.label_studio.settings import LabelStudioSettings

CONTENT = bytes(range(256))
MAX_BYTES = 1000


@pytest.fixture
def label_studio() -> Iterator[Host]:
    with host() as told:
        told.pages["/data/upload/1/a%20b.png"] = 200, CONTENT
        yield told


def read(address: object, max_bytes: int = MAX_BYTES, **settings: Any) -> bytes:
    chosen = LabelStudioSettings(**settings)
    return TaskImages(chosen, LabelStudioHost(chosen), max_bytes).read({"id": 7, "data": {"image": address}}, "image")


def refusal(address: object, max_bytes: int = MAX_BYTES, **settings: Any) -> str:
    with pytest.raises(InputError) as told:
        read(address, max_bytes, **settings)
    message = str(told.value)
    assert message.startswith("task 7: ") and "\n" not in message
    return message


def test_a_data_url_holds_the_image_itself() -> None:
    assert read(f"data:image/png;base64,{base64.b64encode(CONTENT).decode()}") == CONTENT
    assert read("DATA:image/x-portable-graymap,P2%201") == b"P2 1"
    assert "no base64" in refusal("data:image/png;base64,@@@")
    assert "no comma" in refusal("data:image/png;base64")
    large = base64.b64encode(bytes(MAX_BYTES + 1)).decode()
    assert "larger than 0.001 MB" in refusal(f"data:image/png;base64,{large}")


def test_local_files_are_read_below_the_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "p 1").mkdir(parents=True)
    (folder / "p 1" / "a.png").write_bytes(CONTENT)
    (folder / "large.png").write_bytes(bytes(MAX_BYTES + 1))
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    assert read("/data/local-files/?d=p%201/a.png", files=folder) == CONTENT
    outside = ["../secret.png", "..%2Fsecret.png", f"{tmp_path}/secret.png", "link.png", "p%201", "none", "a%00b", ""]
    for name in outside:
        message = refusal(f"/data/local-files/?d={name}", files=folder)
        assert "is no file in the folder of local files" in message and str(tmp_path) not in message.replace(name, "")
    assert "larger than" in refusal("/data/local-files/?d=large.png", files=folder)
    assert "--label-studio-url" in refusal(str(folder / "large.png"), files=folder)
    assert "--label-studio-url" in refusal("/data/local-files/?d=p%201/a.png")


def test_uploads_are_fetched_from_the_host_with_its_token(label_studio: Host) -> None:
    url = label_studio.url
    for address in ("/data/upload/1/a%20b.png", f"{url}/data/upload/1/a%20b.png"):
        assert read(address, url=f"{url}/", token="0123") == CONTENT
    assert label_studio.asked == [("/data/upload/1/a%20b.png", "Token 0123")] * 2
    assert read("/data/upload/1/a%20b.png", url=url) == CONTENT
    assert label_studio.asked[-1][1] is None


def test_a_personal_token_is_exchanged_for_an_access_token(label_studio: Host) -> None:
    assert read("/data/upload/1/a%20b.png", url=label_studio.url, token=PERSONAL) == CONTENT
    assert label_studio.asked == [("/api/token/refresh", PERSONAL), ("/data/upload/1/a%20b.png", "Bearer access")]
    assert "refuses the token" in refusal("/data/upload/1/a%20b.png", url=label_studio.url, token="a.b.c")


def test_no_other_host_is_asked_or_sees_the_token(label_studio: Host) -> None:
    with host() as other:
        other.pages["/a.png"] = 200, CONTENT
        port = other.url.rpartition(":")[2]
        elsewhere = [
            f"{other.url}/a.png",
            f"//127.0.0.1:{port}/a.png",
            f"\\\\127.0.0.1:{port}/a.png",
            f"http://127.0.0.1:{label_studio.url.rpartition(':')[2]}@127.0.0.1:{port}/a.png",
            f"https{label_studio.url.removeprefix('http')}/a.png",
            f"http://localhost:{port}/a.png",
            "file:///etc/passwd",
            "s3://bucket/a.png",
            "gopher://127.0.0.1/a.png",
        ]
        for address in elsewhere:
            message = refusal(address, url=label_studio.url, token="0123")
            assert "not on Label Studio at" in message or "Label Studio answers 404" in message, address
        label_studio.pages["/away.png"] = 302, f"{other.url}/a.png".encode()
        assert "sends elsewhere" in refusal("/away.png", url=label_studio.url, token="0123")
        assert other.asked == []


def test_what_the_host_does_not_give_is_one_line(label_studio: Host) -> None:
    label_studio.pages["/secret.png"] = 401, b""
    label_studio.pages["/large.png"] = 200, bytes(MAX_BYTES + 1)
    url = label_studio.url
    assert "answers 404" in refusal("/none.png?signature=abc", url=url)
    assert "abc" not in refusal("/none.png?signature=abc", url=url)
    assert "refuses the token" in refusal("/secret.png", url=url, token="0123")
    assert "more than 0.001 MB" in refusal("/large.png", url=url)
    assert "--label-studio-url" in refusal("/a.png")
    for missing in (None, "", 7, ["/a.png"]):
        assert "has no 'image' with an image" in refusal(missing, url=url)
    assert "http://[" in refusal("http://[/a.png", url=url)


def test_a_host_that_is_not_there_is_one_line() -> None:
    with host() as gone:
        url = gone.url
    assert "does not answer" in refusal("/a.png", url=url)


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for settings, message in (
        ({"url": "localhost:8080"}, "give an address such as"),
        ({"token": "0123"}, "a token needs the url"),
        ({"files": tmp_path / "none"}, "is not there"),
    ):
        with pytest.raises(ValidationError, match=message):
            LabelStudioSettings(**settings)  # type: ignore[arg-type]
