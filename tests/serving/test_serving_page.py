"""What docs/serving.md shows runs as it stands there, and the limits that it lists are those of the settings."""

import re
from pathlib import Path

import httpx
import pytest
from served import png

from gdinousam.drawing import write_picture
from gdinousam.prediction.writing.clips import written_video
from gdinousam.records import Image
from gdinousam.serving.settings import ServeSettings

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")


def test_the_example_of_the_client_runs(
    address: str,
    image: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_picture(image, tmp_path / "scan.png")
    with written_video(tmp_path / "clip.mp4", 5.0) as show:
        show(image)
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(block.replace("http://127.0.0.1:8000", address), {})
    said = capsys.readouterr().out
    assert said.startswith("thyroid nodule 0.") and said.endswith("1 of 1\n")


def test_the_hints_in_the_table_are_taken(http: httpx.Client, image: Image) -> None:
    (hints,) = re.findall(r"`(\[\{.*?\}\])`", PAGE)
    answer = http.post("/v1/correct", files={"image": png(image)}, data={"hints": hints})
    assert answer.status_code == 200 and len(answer.json()["detections"]) == 1


def test_the_limits_in_the_table_are_those_of_the_settings() -> None:
    table = PAGE.partition("## Limits")[2]
    of = ServeSettings()
    told = [
        f"| {of.max_megabytes:g} MB |",
        f"| {of.max_megapixels:g} million |",
        f"| {of.max_frames} |",
        f"| {of.max_phrases}; {of.max_hints} |",
        f"(`--queue`), being sent, waiting or answered | {of.queue} |",
        f"| clips that wait or run | {of.max_clips} |",
        f"| {of.upload_seconds:g} s | 408 |",
        f"| {of.upload_seconds + of.answer_seconds:g} s | 503 |",
        f"| {of.keep_minutes:g} minutes, {of.kept_clips} |",
    ]
    assert [one for one in told if one not in table] == []


def test_every_route_is_on_the_page(http: httpx.Client) -> None:
    known = PAGE.replace("/ID", "/{id}")
    paths = [
        path for path in http.get("/openapi.json").json()["paths"] if path.startswith(("/v1", "/healthz", "/metr"))
    ]
    assert [path for path in paths if path not in known and not path.endswith("/video")] == []
