"""Every example of docs/predicting.md, and of the first screen of the README, runs in an empty folder, offline."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from warm_command import warm_command

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "predicting.md"
FIRST_SCREEN = "## First mask"  # of the README

pytestmark = pytest.mark.slow


def blocks_of(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, language and content of each block that says its language."""
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text[: found.start()].count("\n") + 1, found[1], found[2]


def section(text: str, heading: str) -> str:
    return text[text.index(heading) :].partition("\n## ")[0]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with ``gdinousam`` as a command."""
    folder = tmp_path_factory.mktemp("commands")
    with warm_command(folder):
        yield folder


@pytest.fixture
def shell(commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder in which ``gdinousam`` is a command; no home, hub or cache of the user is reached."""
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_blocks(text: str, page: str) -> tuple[int, str]:
    """Run the blocks of a page in order, those in Python in one session; returns how many, and what the shell said."""
    session: dict[str, Any] = {}
    number, said = 0, ""
    for line, language, content in blocks_of(text):
        if language == "python":
            exec(compile("\n" * line + content, page, "exec"), session)
        elif language == "sh":
            done = subprocess.run(["bash", "-ec", content], capture_output=True, text=True)
            assert done.returncode == 0, f"{page}, line {line}: {done.stderr}"
            said += done.stdout + done.stderr
        else:
            raise AssertionError(f"{page}, line {line}: a block of {language!r} is not run")
        number += 1
    return number, said


def test_every_example_of_the_page_on_predicting_runs(shell: Path) -> None:
    number, said = run_blocks(PAGE.read_text(encoding="utf-8"), PAGE.name)
    assert number > 10
    # what the page promises to be printed and written
    assert "found: results of 4 images, 4 of them done before" in said
    assert re.search(r"test_00000\.png: thyroid nodule: score 0\.\d+ box [\d ]+, \d+ pixels -> found/test_00000_", said)
    assert "the small model can run" in said
    wanted = {"predictions.jsonl", "coco_results.json", "coco_images.json", "measurements.csv", "contact_sheet.png"}
    pictures = {f"test_0000{number}_overlay.png" for number in range(4)}
    assert wanted | pictures <= {path.name for path in (shell / "found").iterdir()}
    assert len((shell / "found.jsonl").read_text(encoding="utf-8").splitlines()) == 4


def test_the_first_screen_of_the_readme_runs(shell: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.index(FIRST_SCREEN) < 3000  # characters: it is the first screen
    number, _ = run_blocks(section(text, FIRST_SCREEN), "README.md")
    assert number >= 2 and (shell / "found" / "contact_sheet.png").is_file()
