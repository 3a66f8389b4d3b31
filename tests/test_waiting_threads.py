"""Threads of OpenMP that wait for work sleep: set before torch is loaded, by whatever door the package is entered."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENTRIES = sorted([ROOT / "train.py", ROOT / "test.py", *ROOT.glob("scripts/*.py"), *ROOT.glob("baselines/*.py")])
# stops at the first import of torch, or where there was none at the end, and says what OpenMP would read
ENTER = """
import os, runpy, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            stop()
def stop():
    print(os.environ.get("OMP_WAIT_POLICY"), flush=True)
    os._exit(0)
sys.meta_path.insert(0, Watch())
"""


def policy_at_torch(enter: str, **given: str) -> str:
    """The value that OpenMP finds when the program ``enter`` first imports torch, or ends without it."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
    program = f"{ENTER}\n{enter}\nstop()"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_entry_file_sets_it_before_torch() -> None:
    programs = [f"runpy.run_path({str(path)!r}, run_name='entered')" for path in ENTRIES]
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(ENTRIES, pool.map(policy_at_torch, programs), strict=True))
    assert len(found) > 25
    assert {path.name for path, policy in found.items() if policy != "PASSIVE"} == set()


@pytest.mark.parametrize(
    "enter",
    [
        # python -m
        "sys.argv = ['', 'docs/images/quickstart.jpg', '--prompt', 'cyst', '--jsonl']\n"
        "runpy.run_module('gdinousam.commands.predict', run_name='__main__', alter_sys=True)",
        "sys.argv = ['', 'predict', 'docs/images/quickstart.jpg', '--prompt', 'cyst', '--jsonl']\n"
        "runpy.run_module('gdinousam', run_name='__main__', alter_sys=True)",
        "runpy.run_module('gdinousam.models.segmenter', run_name='__main__', alter_sys=True)",
        "from gdinousam import load_segmenter",
    ],
)
def test_modules_run_by_name_and_the_library_set_it_before_torch(enter: str) -> None:
    assert policy_at_torch(enter) == "PASSIVE"


def test_what_the_user_set_stays() -> None:
    assert policy_at_torch("import gdinousam.models.segmenter", OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"


@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere torch comes with another OpenMP, which says less")
def test_the_openmp_of_torch_takes_it_up() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    program = "import gdinousam.preprocessing"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment | {"OMP_DISPLAY_ENV": "TRUE"},
        capture_output=True,
        text=True,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
