"""setup.py, requirements.txt and gdinousam.yml name one environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import setuptools
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import gdinousam

ROOT = Path(__file__).parents[1]


NEWER = "requirements-newer.txt"  # of the second environment, which has what the first cannot have
ONLY_NEWER = {"datumaro"}


def read_pins(file: str = "requirements.txt") -> dict[str, Version]:
    """Every line is one exact pin."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    pins: dict[str, Version] = {}
    for line in lines:
        if not line.split("#")[0].strip():
            continue
        pin = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9a-z.]*)", line.strip())
        assert pin, f"{file}: {line!r} is not an exact pin"
        name = canonicalize_name(pin[1])
        assert name not in pins, f"{file}: {name} appears twice"
        pins[name] = Version(pin[2])
    return pins


@pytest.fixture
def setup_arguments(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """What setup.py tells setuptools."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
    path = ROOT / "setup.py"
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"__file__": str(path), "__name__": "setup"})
    return given


def test_every_requirement_is_pinned_within_its_range(setup_arguments: Mapping[str, Any]) -> None:
    newer = read_pins(NEWER)
    pins = read_pins() | {name: newer[name] for name in ONLY_NEWER}
    extras = [line for lines in setup_arguments["extras_require"].values() for line in lines]
    requirements = [Requirement(line) for line in (*setup_arguments["install_requires"], *extras)]
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} of setup.py is not in requirements.txt"
        assert requirement.specifier.contains(pins[name]), f"{name}: {pins[name]} is not {requirement.specifier}"
    assert pins.keys() == {canonicalize_name(one.name) for one in requirements}, "a pin without a range in setup.py"
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        assert name not in newer or requirement.specifier.contains(newer[name]), f"{NEWER}: {name} is out of its range"


def test_the_environment_is_the_one_that_is_tested() -> None:
    expected = {
        "torch": "2.14.1",
        "torchvision": "0.29.1",
        "transformers": "4.57.6",
        "groundingdino-py": "0.4.0",
        "sam2": "1.1.0",
    }
    pins = read_pins()
    assert {name: str(pins[name]) for name in expected} == expected


def test_conda_installs_the_pins_on_a_python_that_setup_allows(setup_arguments: Mapping[str, Any]) -> None:
    environment = yaml.safe_load((ROOT / "gdinousam.yml").read_text(encoding="utf-8"))
    assert environment["name"] == "gdinousam"
    plain = [one for one in environment["dependencies"] if isinstance(one, str)]
    (by_pip,) = (one["pip"] for one in environment["dependencies"] if isinstance(one, dict))
    assert by_pip == ["-r requirements.txt"]
    (python,) = (one.partition("=")[2] for one in plain if one.startswith("python="))
    assert SpecifierSet(setup_arguments["python_requires"]).contains(python)


def test_the_package_is_described_whole(setup_arguments: Mapping[str, Any]) -> None:
    assert setup_arguments["version"] == gdinousam.__version__
    folders = {path.parent for path in (ROOT / "gdinousam").rglob("__init__.py")}
    assert set(setup_arguments["packages"]) == {".".join(path.relative_to(ROOT).parts) for path in folders}
    assert (ROOT / "gdinousam" / "py.typed").is_file()


def test_every_file_of_the_package_is_shipped(setup_arguments: Mapping[str, Any]) -> None:
    package = ROOT / "gdinousam"
    patterns = setup_arguments["package_data"]["gdinousam"]
    shipped = {path for pattern in patterns for path in package.glob(pattern)}
    files = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in files if path.suffix != ".py"} == shipped
