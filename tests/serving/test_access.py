"""Who is answered: with a token, without one, from other sites and under other names; and what a start refuses."""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydantic import SecretStr
from served import png, served

from gdinousam import Segmenter
from gdinousam.commands.common import run
from gdinousam.commands.serve import load_models, serve_command
from gdinousam.records import Image
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings, is_loopback

ROOT = Path(__file__).parents[2]
TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def closed(segmenter: Segmenter) -> Iterator[httpx.Client]:
    """A client without the token of a server that has one."""
    app = create_app({"small": segmenter}, ServeSettings(token=SecretStr(TOKEN)))
    with served(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer wrong", f"bearer {TOKEN}x", TOKEN, basic(TOKEN, ""), "Basic ~", "Bearer \xff"]
)
@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/v1/clips/x", "/nothing"])
def test_nothing_is_told_without_the_token(closed: httpx.Client, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    response = closed.get(path, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "no_token")
    assert response.headers["WWW-Authenticate"] == "Bearer" and TOKEN not in response.text


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic("anyone", TOKEN)])
def test_the_token_opens_everything(closed: httpx.Client, image: Image, header: str) -> None:
    headers = {"Authorization": header}
    assert closed.get("/v1/models", headers=headers).status_code == 200
    assert "gdinousam_requests_total" in closed.get("/metrics", headers=headers).text
    answer = closed.post("/v1/segment", files={"image": png(image)}, data={"phrases": "cyst"}, headers=headers)
    assert answer.status_code == 200


def test_health_and_the_description_of_the_api_are_open(closed: httpx.Client) -> None:
    assert closed.get("/healthz").json()["status"] == "ok"
    assert closed.get("/openapi.json").json()["info"]["title"] == "gdinousam"


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:80", "127.0.0.2"])
def test_a_local_server_answers_to_its_own_names(http: httpx.Client, host: str) -> None:
    assert http.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1", "", "127.0.0.1.evil.example"])
def test_a_local_server_answers_to_no_other_name(http: httpx.Client, host: str) -> None:
    response = http.get("/healthz", headers={"Host": host})
    assert response.status_code == 403 and response.json()["error"]["code"] == "other_host"


def test_with_a_token_a_server_may_stand_behind_a_proxy(closed: httpx.Client) -> None:
    headers = {"Host": "scans.example", "Origin": "https://scans.example", "Authorization": f"Bearer {TOKEN}"}
    assert closed.get("/v1/models", headers=headers).status_code == 200
    assert closed.get("/v1/models", headers=headers | {"Origin": "https://evil.example"}).status_code == 403


def test_pages_of_other_sites_are_refused_and_the_own_one_is_not(http: httpx.Client) -> None:
    own = f"http://{http.base_url.host}:{http.base_url.port}"
    assert http.get("/healthz", headers={"Origin": own}).status_code == 200
    for origin in ("http://evil.example", "null", "http://localhost:1", own.rpartition(":")[0]):
        response = http.get("/healthz", headers={"Origin": origin})
        assert (response.status_code, response.json()["error"]["code"]) == (403, "other_site")


def test_browsers_are_told_to_load_nothing_from_elsewhere(http: httpx.Client) -> None:
    for path in ("/healthz", "/nothing"):
        headers = http.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_numbers_count_requests_and_name_nobody(http: httpx.Client, image: Image) -> None:
    http.post("/v1/segment", files={"image": ("doe.png", png(image))}, data={"phrases": "cyst"})
    http.get("/v1/clips/secret-id")
    http.get("/doe")
    text = http.get("/metrics").text
    assert 'gdinousam_requests_total{method="POST",route="/v1/segment",status="200"}' in text
    assert 'route="/v1/clips/{id}",status="404"' in text and 'route="other",status="404"' in text
    assert 'gdinousam_request_seconds_bucket{route="/v1/segment",le="+Inf"}' in text
    assert "gdinousam_queue 0\n" in text and "gdinousam_clips 0\n" in text
    assert "doe" not in text and "secret-id" not in text
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rpartition(" ")[2]) >= 0


@pytest.mark.parametrize(
    ("arguments", "token", "words"),
    [
        (["--host", "0.0.0.0"], None, "0.0.0.0 can be reached from other machines; name a file"),
        (["--host", "::"], "short", "the token is shorter than 16 characters"),
        (["--token-file", "none"], None, "none: cannot be read"),
        (["--token-file", "two"], None, "two: holds 2 words"),
        (["--port", "70000"], None, "port: Input should be less than or equal to 65535"),
        (["--queue", "0"], None, "queue: Input should be greater than or equal to 1"),
        (["--host", "203.0.113.1"], TOKEN, "cannot listen on 203.0.113.1"),
        (["--model", "./none", "--port", "0"], None, "no such weights"),
    ],
)
def test_what_cannot_be_started_is_one_line(
    arguments: list[str],
    token: str | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two").write_text("one two")
    monkeypatch.delenv("GDINOUSAM_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("GDINOUSAM_TOKEN", token)
    assert run(serve_command, arguments) == 2
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and said.out == ""
    assert token is None or token not in said.err.replace("the token is shorter", "")


def test_models_get_short_names_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(load_models(["small", "small"], "cpu")) == ["small", "small-2"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.com", False),
    ],
)
def test_what_is_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


@pytest.mark.slow
def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as log:
        program = [sys.executable, "-m", "gdinousam", "serve", "--port", "0", "--device", "cpu"]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
        process = subprocess.Popen(
            program, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=tmp_path
        )
        assert process.stdout is not None
        address, said = process.stdout.readline().split(maxsplit=1)
        assert said == "serves small; stop it with Ctrl-C\n"
        files = {"image": ("doe.png", png(np.full((40, 50, 3), 200, np.uint8)))}
        answer = httpx.post(f"{address}/v1/segment", files=files, data={"phrases": "wing of a bird"}, timeout=60)
        assert answer.json()["notes"] == ["is blank, all pixels are alike; nothing is looked for in it"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        log.seek(0)
        lines = log.read()
    assert "POST /v1/segment 200" in lines
    assert not [one for one in ("doe", "wing", "Traceback", "127.0.0.1") if one in lines]
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
