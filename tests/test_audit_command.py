"""The audit's command: exit codes, table, JSON, and one line for what the user can fix."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gdinousam.commands.audit_splits import audit_splits_command
from gdinousam.commands.common import run
from gdinousam.data.contract.reading import read_table, write_table

REAL_DATA = Path(__file__).parents[1].parent / "shared" / "data" / "multimodal-data"


@pytest.fixture
def leaking_data(phantom_data: Path, tmp_path: Path) -> Path:
    """The phantoms, with the validation images and rows used for testing too."""
    data = tmp_path / "leaking"
    shutil.copytree(phantom_data, data)
    shutil.rmtree(data / "test_image")
    shutil.copytree(data / "val", data / "test_image")
    (csv_path,) = data.glob("val.*")
    shutil.copy(csv_path, csv_path.with_stem("test"))
    return data


def test_data_without_leaks_exits_with_3_where_patients_are_not_known_and_with_0_where_they_are(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(audit_splits_command, [str(phantom_data)]) == 3
    out = capsys.readouterr().out
    assert out.startswith("patients NOT checked for ") and "leaks between splits: 0" in out
    data = tmp_path / "data"
    shutil.copytree(phantom_data, data)
    for csv_path in data.glob("*.CSV"):
        table = read_table(csv_path)
        table["group"] = table["image_name"] + csv_path.stem
        write_table(table, csv_path)
    assert run(audit_splits_command, [str(data)]) == 0
    assert "NOT checked" not in capsys.readouterr().out


def test_data_with_leaks_exits_with_1_and_the_json_lists_them_all(
    leaking_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_path = tmp_path / "audit.json"
    assert run(audit_splits_command, [str(leaking_data), "--json", str(json_path), "--limit", "1"]) == 1
    out = capsys.readouterr().out
    assert "same pixels: 4" in out
    assert "... and 3 more" in out
    assert len(json.loads(json_path.read_text(encoding="utf-8"))["shared_pixels"]) == 4


@pytest.mark.parametrize("arguments", [["nowhere"], ["."], [".", "--json", "nowhere/audit.json"]])
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(audit_splits_command, arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("limit", ["-1", "many"])
def test_a_limit_that_is_no_count_is_refused(limit: str, phantom_data: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        audit_splits_command([str(phantom_data), "--limit", limit])
    assert caught.value.code == 2


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the folder of real images is not here")
def test_the_real_images_share_no_patient_but_crops_of_one_scan_between_their_splits(tmp_path: Path) -> None:
    json_path = tmp_path / "audit.json"
    assert run(audit_splits_command, [str(REAL_DATA), "--json", str(json_path)]) == 1
    report = json.loads(json_path.read_text(encoding="utf-8"))
    assert report["num_images"] == {"train": 2405, "val": 671, "test": 333}  # as the data's README counts them
    assert report["shared_names"] == report["shared_pixels"] == report["shared_groups"] == []
    # split by a search that did not know crops; each of these shows one scan twice, by eye
    pairs = [(pair["first"]["image_name"], pair["second"]["image_name"]) for pair in report["near_pairs"]]
    assert len(pairs) == report["num_leaks"] == 14
    assert ("busi_malignant_97.jpg", "busi_malignant_95.jpg") in pairs
    # HC18 and BUS-UCLM were split by patient; a hit there would be a false one
    assert {pair["first"]["dataset"] for pair in report["near_pairs"]} == {"busi", "mmotu"}
    assert report["near_pairs_within"]["train"] > 100  # look-alikes there are, each on one side of the split
