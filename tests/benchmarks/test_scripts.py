"""The two scripts find ``benchmarks`` from any folder, and say so where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = [Path(__file__).parents[2] / "scripts" / name for name in ("benchmark.py", "parity.py")]


def answer(script: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    arguments = [sys.executable, str(script), "--help"]
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_runs_from_another_folder(script: Path, tmp_path: Path) -> None:
    done = answer(script, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ") and f"{script.name} [-h]" in done.stdout.splitlines()[0]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_without_a_checkout_says_so(script: Path, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    done = answer(Path(shutil.copy(script, tmp_path / "scripts")), tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and "use a checkout" in done.stderr
