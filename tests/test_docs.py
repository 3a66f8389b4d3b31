"""What the pages promise is there: links resolve, named files and commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gdinousam.commands.table import commands

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])
SCRIPTS = sorted(
    [ROOT / "train.py", ROOT / "test.py", *(ROOT / "scripts").glob("*.py"), *(ROOT / "baselines").glob("*.py")]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_resolve(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith("http")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_scripts_and_configs_named_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:(?:scripts|baselines)/\w+\.py|configs/[\w/]+\.yaml|(?<=python )\w+\.py)", text))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_sub_commands_named_on_the_pages_exist() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:^|`)gdinousam ([a-z][a-z-]*)", text, re.MULTILINE))
    assert {"predict", "train", "test"} < named <= {command.name for command in commands()}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_script_explains_itself(script: Path) -> None:
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and len(done.stdout) > 150, done.stderr


def test_the_readme_names_every_script() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [script.name for script in SCRIPTS if script.name not in text] == []
