"""The server as Label Studio's backend, asked as Label Studio asks."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest
from found_objects import LARGE, WHOLE
from label_studio_exports import image_url, quick_config, stroke, task
from label_studio_host import Host, host
from served import png, served

from gdinousam import Segmenter
from gdinousam.commands.serve import main
from gdinousam.data.sources.annotations.brush import decode_brush
from gdinousam.labelling.label_studio.settings import LabelStudioSettings
from gdinousam.records import Image
from gdinousam.serving.app import create_app
from gdinousam.serving.label_studio import label_studio_router
from gdinousam.serving.settings import ServeSettings

DEADLINE_S = 180.0
TOKEN = "0123456789abcdef"
CONFIG = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image" model_score_threshold="0.05">'
    '<Label value="Knoten" predicted_values="thyroid nodule"/></RectangleLabels><BrushLabels name="stroke" '
    'toName="image"><Label value="thyroid nodule"/></BrushLabels></View>'
)


def data_url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


@pytest.fixture(scope="module")
def label_studio() -> Iterator[Host]:
    with host() as told:
        yield told


@pytest.fixture(scope="module")
def http(segmenter: Segmenter, label_studio: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("tuning")
    settings = LabelStudioSettings(
        url=label_studio.url,
        token="secret",
        runs=folder / "runs",
        config=quick_config(folder),  # type: ignore[arg-type]
    )
    limits = ServeSettings(token=TOKEN, max_megabytes=1)  # type: ignore[arg-type]
    app = create_app({"small": segmenter}, limits, [label_studio_router(settings, limits.max_bytes)])
    with (
        served(app) as address,
        httpx.Client(base_url=f"{address}/label-studio", auth=("", TOKEN), timeout=60) as client,
    ):
        yield client


def predicted(http: httpx.Client, *images: str, config: str = CONFIG) -> httpx.Response:
    tasks = [{"id": number, "data": {"image": image}, "project": 1} for number, image in enumerate(images)]
    request = {"tasks": tasks, "project": "1.1700000000", "label_config": config, "params": {"context": None}}
    return http.post("/predict", json=request)


def test_it_is_up_and_tells_its_version(http: httpx.Client, segmenter: Segmenter) -> None:
    assert http.get("/health").json() == {"status": "UP"}
    setup = {"project": "1.17", "schema": CONFIG, "hostname": "http://127.0.0.1:9", "access_token": "t"}
    version = http.post("/setup", json={**setup, "extra_params": None}).json()["model_version"]
    assert version.startswith("small-") and len(version) == len("small-") + 8
    assert http.get("/versions").json() == {"versions": [version]}
    assert predicted(http, image_url(0)).json()["model_version"] == version
    assert httpx.get(http.base_url.join("/label-studio/health")).status_code == 401


def test_it_predicts_what_the_local_call_finds(http: httpx.Client, segmenter: Segmenter, image: Image) -> None:
    answer = predicted(http, data_url(png(image))).json()
    (prediction,) = answer["results"]
    boxes = [one for one in prediction["result"] if one["type"] == "rectanglelabels"]
    strokes = [one for one in prediction["result"] if one["type"] == "brushlabels"]
    assert {one["value"]["rectanglelabels"][0] for one in boxes} == {"Knoten"}
    low, usual = (segmenter.predict(image, "thyroid nodule", threshold=score) for score in (0.05, None))
    assert [one["score"] for one in boxes] == pytest.approx([one.score for one in low.detections])
    assert [one["value"]["brushlabels"] for one in strokes] == [["thyroid nodule"]] * len(usual.detections)
    for one, detection in zip(strokes, usual.detections, strict=True):
        mask_hw = decode_brush(one["value"]["rle"], (one["original_height"], one["original_width"]))
        np.testing.assert_array_equal(mask_hw, detection.mask_hw)
    assert len(usual.detections) >= 1


def test_an_image_turned_by_exif_is_seen_upright(
    http: httpx.Client, image: Image, tmp_path: Path, segmenter: Segmenter
) -> None:
    exif = PIL.Image.Exif()
    exif[274] = 6  # to be turned a quarter clockwise
    PIL.Image.fromarray(np.rot90(image)).save(tmp_path / "turned.png", exif=exif)
    turned = predicted(http, data_url((tmp_path / "turned.png").read_bytes())).json()
    assert turned == predicted(http, data_url(png(image))).json()


def test_uploads_are_fetched_with_the_token_of_the_server(http: httpx.Client, label_studio: Host, image: Image) -> None:
    label_studio.pages["/data/upload/1/a.png"] = 200, png(image)
    with host() as other:
        setup = {"schema": CONFIG, "hostname": other.url, "access_token": "stolen"}
        assert http.post("/setup", json=setup).status_code == 200
        assert predicted(http, "/data/upload/1/a.png").json() == predicted(http, data_url(png(image))).json()
        assert predicted(http, f"{other.url}/data/upload/1/a.png").status_code == 422
        assert other.asked == []
    assert label_studio.asked[-1] == ("/data/upload/1/a.png", "Token secret")


def test_a_task_without_its_image_gets_no_prediction_and_alone_the_reason(http: httpx.Client) -> None:
    results = predicted(http, "/none.png", image_url(1), "data:,text").json()["results"]
    assert results[0] == results[2] == [] and results[1]["result"] is not None
    alone = predicted(http, "/none.png")
    assert alone.status_code == 422
    assert alone.json()["error"]["message"].startswith("task 0: /none.png: Label Studio answers 404")
    assert predicted(http, "data:,text").status_code == 415
    assert predicted(http).json()["results"] == []


@pytest.mark.parametrize(
    ("path", "sent", "status", "message"),
    [
        ("/predict", {"json": {"tasks": [], "label_config": "<View/>"}}, 422, "no RectangleLabels or BrushLabels"),
        ("/predict", {"json": {"tasks": {}, "label_config": CONFIG}}, 422, "tasks"),
        ("/predict", {"json": []}, 422, "request"),
        ("/predict", {"content": b"{", "headers": {"content-type": "application/json"}}, 422, "JSON"),
        ("/predict", {"data": {"a": "b"}}, 415, "send application/json"),
        ("/predict", {"json": {"tasks": ["x" * 1_000_001], "label_config": ""}}, 413, "more than 1 MB"),
        ("/setup", {"json": {"schema": "<View>"}}, 422, "not readable as XML"),
        ("/setup", {"json": {}}, 422, "schema"),
        ("/webhook", {"json": {"action": "START_TRAINING"}}, 422, "names no project"),
        ("/job_status", {"json": {"job": "other"}}, 404, "no training of this name"),
    ],
)
def test_what_is_not_taken(http: httpx.Client, path: str, sent: dict[str, Any], status: int, message: str) -> None:
    answer = http.post(path, **sent)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_a_server_without_a_folder_for_runs_trains_nothing(segmenter: Segmenter) -> None:
    app = create_app({"small": segmenter}, None, [label_studio_router(LabelStudioSettings(), 10**6)])
    with served(app) as address:
        for path, sent in (
            ("/webhook", {"action": "START_TRAINING", "project": {"id": 1}}),
            ("/train", {"annotations": [], "label_config": WHOLE}),
        ):
            answer = httpx.post(f"{address}/label-studio{path}", json=sent)
            assert answer.status_code == 409 and "--label-studio-runs FOLDER" in answer.json()["error"]["message"]
        assert httpx.get(f"{address}/label-studio/training").status_code == 409


def test_the_end_of_the_server_ends_a_training(
    segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"  # in the place of Python, which takes seconds to start
    program.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nexec sleep 60\n"
    )
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    router = label_studio_router(LabelStudioSettings(runs=tmp_path / "runs"), 10**6)
    with served(create_app({"small": segmenter}, None, [router])) as address:
        tasks = [task(1, [stroke(LARGE, "mass")])]
        httpx.post(f"{address}/label-studio/train", json={"annotations": tasks, "label_config": WHOLE})
        end = time.monotonic() + DEADLINE_S
        while not (tmp_path / "pid").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, 0)  # it runs
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.slow
def test_the_training_button_trains_on_the_export_of_the_project(
    http: httpx.Client, label_studio: Host, segmenter: Segmenter
) -> None:
    assert http.get("/training").json() == {"state": "idle", "run": None, "message": "", "log": []}
    assert http.post("/webhook", json={"action": "ANNOTATION_CREATED"}).json() == {"job": None}
    tasks = [task(number, [stroke(LARGE, "mass")]) for number in range(4)]
    label_studio.pages["/api/projects/3/export?exportType=JSON"] = 200, json.dumps(tasks).encode()
    label_studio.pages["/api/projects/3/"] = 200, json.dumps({"id": 3, "label_config": WHOLE}).encode()
    event = {"action": "START_TRAINING", "project": {"id": 3, "title": "a project"}}
    started = http.post("/webhook", json=event)
    assert (started.status_code, started.json()) == (201, {"job": "label-studio-1"})
    busy = http.post("/train", json={"annotations": tasks, "label_config": WHOLE})
    assert busy.status_code == 409 and "label-studio-1 is still" in busy.json()["error"]["message"]
    end = time.monotonic() + DEADLINE_S
    while (status := http.get("/training").json())["state"] in ("preparing", "training"):
        assert time.monotonic() < end, status
        time.sleep(0.2)
    assert status["state"] == "done" and any("weights in" in line for line in status["log"]), status
    assert http.post("/job_status", json={"job": "label-studio-1"}).json() == {"job_status": "done"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label-studio-url", "localhost:8080"], "--label-studio: url: give an address such as"),
        (["--label-studio-files", "none"], "--label-studio: files: "),
        (["--label-studio-token-file", "token"], "a token needs the url"),
        (["--label-studio-token-file", "none"], "none: cannot be read"),
    ],
)
def test_options_that_make_no_sense_are_one_line(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("secret-of-label-studio\n")
    with pytest.raises(SystemExit) as end:
        main(options)
    said = capsys.readouterr().err
    assert end.value.code == 2 and message in said and said.count("\n") == 1 and "secret" not in said


def test_json_that_no_person_writes_is_refused(http: httpx.Client) -> None:
    header = {"content-type": "application/json"}
    for content in (b'{"tasks": ' + b"[" * 100_000, b'{"tasks": [], "label_config": "\\ud800"}', b"\xff\xfe", b""):
        answer = http.post("/predict", content=content, headers=header)
        assert answer.status_code in (400, 422) and answer.json()["error"]["message"]
    lone = {"id": "\ud800", "data": {"image": "\ud800"}}
    for image in ("\ud800", "data:,\ud800", "/data/local-files/?d=\ud800"):
        task_of = json.dumps({"tasks": [{**lone, "data": {"image": image}}], "label_config": CONFIG}).encode()
        assert http.post("/predict", content=task_of, headers=header).status_code == 422
