"""Which weights a hub id means: a download, the cache, the hub, or one line with what to do."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.models.loading import load_mask_head
from gdinousam.models.weights.choice import BEST, chosen, downloaded

ROOT = Path(__file__).parents[2]
HUB_ID = "facebook/sam2.1-hiera-large"


def test_a_download_is_taken_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gdinousam.models.weights.choice._SAID", set())  # it is said once in a process
    folder = Path("weights", "sam2.1-hiera-large")
    folder.mkdir(parents=True)
    assert downloaded(HUB_ID) is None  # begun, not finished
    (folder / "SHA256SUMS").touch()
    with caplog.at_level(logging.INFO):
        assert chosen(HUB_ID) == folder
    assert f"{HUB_ID}: the download in {folder}" in caplog.text


def test_other_names_stay_as_they_are(tmp_path: Path) -> None:
    assert [chosen(name) for name in ("small", "random", tmp_path)] == ["small", "random", tmp_path]


@pytest.mark.parametrize("mark", ["config.json", "adapter_config.json"])
def test_a_run_means_its_best_weights(tmp_path: Path, mark: str) -> None:
    (tmp_path / BEST).mkdir()
    (tmp_path / BEST / mark).touch()
    assert chosen(tmp_path) == tmp_path / BEST
    (tmp_path / mark).touch()  # weights themselves
    assert chosen(tmp_path) == tmp_path


def test_without_a_hub_there_is_one_line_with_two_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"gdinousam download sam2.1-hiera-large.*--small") as caught:
        load_mask_head(HUB_ID)
    assert "\n" not in str(caught.value)


def test_a_hub_that_does_not_answer_is_asked_once(tmp_path: Path, closed_address: str) -> None:
    program = f"from gdinousam.models.loading import load_mask_head; load_mask_head({HUB_ID!r})"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": closed_address, "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert "cannot be reached" in result.stderr and "Retry" not in result.stderr


def test_a_download_that_was_not_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"not downloaded yet; fetch it by 'gdinousam download grounding-dino-tiny'"):
        chosen("weights/grounding-dino-tiny")
