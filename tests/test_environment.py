"""Commands run where the environment of a person at a desk is missing: in notebooks, containers and cron jobs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BARE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
NO_UTF8 = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
UNNAMED = ("unshare", "--user", "--map-user=4242", "--map-group=4242")  # a number without an account, as in docker


def python(*arguments: str, before: tuple[str, ...] = (), **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [*before, sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=BARE | environment, capture_output=True, encoding="utf-8")


def can_be_unnamed() -> bool:
    return bool(shutil.which("unshare")) and not subprocess.run([*UNNAMED, "true"], capture_output=True).returncode


@pytest.mark.parametrize("script", ["train.py", "test.py"])
def test_a_notebooks_backend_is_not_taken_over(script: str) -> None:
    ended = python(script, "--print-config", MPLBACKEND="module://matplotlib_inline.backend_inline", HOME="/nowhere")
    assert ended.returncode == 0, ended.stderr
    assert "detector:" in ended.stdout


@pytest.mark.skipif(not can_be_unnamed(), reason="needs the right to make a user namespace")
def test_a_user_without_account_or_home_can_train_and_draw(tmp_path: Path, phantom_data: Path) -> None:
    config = tmp_path / "train.yaml"
    config.write_text(
        f"data: {{train_dir: {phantom_data}/train, train_ann: {phantom_data}/train.CSV, max_images: 2}}\n"
        "resize: {size: 64}\nmodel: {detector: small}\n"
        f"training: {{output_dir: {tmp_path}/run, num_epochs: 1, sample_pictures_every: 1, device: cpu}}\n"
    )
    at_tmp = {"TMPDIR": str(tmp_path)} | NO_UTF8
    trained = python("train.py", "--config", str(config), before=UNNAMED, **at_tmp)
    assert trained.returncode == 0, trained.stderr
    figures = tmp_path / "figures"
    drawn = python(
        "scripts/figures.py", "--training", str(tmp_path / "run"), "--out", str(figures), before=UNNAMED, **at_tmp
    )
    assert drawn.returncode == 0, drawn.stderr
    assert {path.suffix for path in figures.iterdir()} >= {".png", ".pdf"}
    assert (tmp_path / "user-4242").stat().st_mode & 0o777 == 0o700
