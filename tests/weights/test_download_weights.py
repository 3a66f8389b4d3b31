"""The command ``scripts/download_weights.py``: its table, its exit codes, its one line for every mishap."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.download_weights import download_weights_command
from gdinousam.models.weights.registry import list_weights


def test_the_list_is_printed_and_nothing_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(download_weights_command, ["--list"]) == 0
    assert capsys.readouterr().out == f"{list_weights()}\n"
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_ends_with_exit_code_2_before_anything_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(download_weights_command, ["paper", "sam-vit-bass", "--out", str(tmp_path)]) == BAD_INPUT
    expected = "error: no weights are named 'sam-vit-bass'; did you mean sam-vit-base? (--list shows all names)\n"
    assert capsys.readouterr().err == expected
    assert list(tmp_path.iterdir()) == []


def test_no_name_at_all_ends_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        download_weights_command([])
    assert caught.value.code == BAD_INPUT
    assert "name what to fetch, or give --list" in capsys.readouterr().err


def test_offline_it_ends_with_exit_code_2_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(download_weights_command, ["paper", "--out", str(tmp_path)]) == BAD_INPUT
    assert capsys.readouterr().err == (
        "error: hub IDEA-Research/grounding-dino-tiny: HF_HUB_OFFLINE is set, so nothing is fetched; "
        "unset it and run again\n"
    )
