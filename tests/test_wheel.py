"""What ``pip install`` of the wheel gives: one command that works in any folder, and nothing that users do not need."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
CODE_AND_ASSETS = ROOT / "gdinousam"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: building leaves files behind, and would pick up those of earlier builds."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("gdinousam", "configs", "tests", "scripts", "baselines", "benchmarks"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=NOT_SOURCE)
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "train.py", "test.py"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source)
    return next(out.glob("gdinousam-*.whl"))


@pytest.fixture(scope="module")
def commands_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of a fresh environment lie that holds the wheel alone and borrows its dependencies."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip())
    # a path file adds a folder, but not what the path files in that folder add: the checkout stays out
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=outside_the_checkout())
    assert done.returncode == 0, done.stderr


def outside_the_checkout() -> dict[str, str]:
    """The environment without what would let a program find the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}


def files_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_the_wheel_holds_the_whole_package_and_the_example_configs(wheel: Path) -> None:
    ours = [path for path in CODE_AND_ASSETS.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    package = {path.relative_to(ROOT).as_posix() for path in ours}
    configs = (ROOT / "configs").rglob("*.yaml")
    examples = {f"gdinousam/assets/configs/{path.relative_to(ROOT / 'configs').as_posix()}" for path in configs}
    assert len(package) > 200 and len(examples) > 20
    assert {name for name in files_of(wheel) if ".dist-info/" not in name} == package | examples


def test_the_wheel_holds_no_tests_scripts_or_benchmarks(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in files_of(wheel)}
    assert "gdinousam" in tops and len(tops) == 2 and max(tops, key=len).endswith(".dist-info")


def test_outside_a_checkout_an_image_and_a_phrase_give_a_mask(commands_folder: Path, tmp_path: Path) -> None:
    def gdinousam(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [commands_folder / "gdinousam", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=outside_the_checkout(), capture_output=True, text=True)

    where = "import gdinousam, sys; sys.exit(not gdinousam.__file__.startswith(sys.prefix))"
    found = subprocess.run([commands_folder / "python", "-c", where], cwd=tmp_path, env=outside_the_checkout())
    assert found.returncode == 0
    made = gdinousam("phantoms", "necks", "--families", "thyroid", "--train", "0", "--val", "0", "--test", "1")
    assert made.returncode == 0, made.stderr

    seconds_before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = gdinousam("predict", "necks/test_image/test_00000.png", "-p", "thyroid nodule")
    assert done.returncode == 0, done.stderr
    # of computing, which other programs on the machine do not change
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - seconds_before < 60
    assert "model small" in done.stderr
    mask_path = tmp_path / "predictions" / "test_00000_thyroid_nodule.png"
    assert str(mask_path.relative_to(tmp_path)) in done.stdout
    mask, image = (np.asarray(Image.open(path)) for path in (mask_path, tmp_path / "necks/test_image/test_00000.png"))
    assert mask.shape == image.shape[:2] and set(np.unique(mask)) == {0, 255}

    copied = gdinousam("config", "--examples", "configs")
    assert copied.returncode == 0, copied.stderr
    examples = {path.relative_to(tmp_path) for path in (tmp_path / "configs").rglob("*.yaml")}
    assert examples == {path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml")}
