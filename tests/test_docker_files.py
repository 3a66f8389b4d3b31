"""The files for Docker name what is there. No image is built here: that needs a daemon."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import yaml

from gdinousam.commands import serve

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))


def test_what_is_copied_is_there_and_reaches_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }
    assert copied == let_in and "*" in ignored
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert not any(fnmatch("token.txt", name) or name == "docker" for name in let_in)


def test_the_wheel_needs_nothing_else_of_the_checkout() -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    named = set(re.findall(r'HERE / "([^"]+)"', setup))
    assert named and all(re.search(rf"^COPY .*\b{re.escape(name)}\b", DOCKERFILE, re.MULTILINE) for name in named)


def test_extras_and_options_of_the_server_exist() -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    (extras,) = re.findall(r"\.whl\)\[([a-z,-]+)\]", DOCKERFILE)
    assert all(f'    "{extra}": [' in setup for extra in extras.split(","))
    service = COMPOSE["services"]["gdinousam"]
    options = serve._parser("gdinousam serve").parse_args(service["command"][1:])
    assert service["command"][0] == "serve" and options.host == "0.0.0.0"
    assert options.token_file == Path("/run/secrets/token") and service["secrets"] == ["token"]


def test_the_server_is_no_root_and_reaches_this_machine_only() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)[-1] == "1000"
    service = COMPOSE["services"]["gdinousam"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    for one in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in one["ports"])
    assert "/healthz" in DOCKERFILE
