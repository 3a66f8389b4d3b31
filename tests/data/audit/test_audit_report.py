"""The text and the JSON of a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from audit_folders import Row, write_folder

from gdinousam.data.audit.audit import audit_data
from gdinousam.data.audit.report import AuditReport, format_report


@pytest.fixture
def report(tmp_path: Path) -> AuditReport:
    """Twelve images in train and test of one patient each, one of another, no val."""
    shared = [Row(f"{number}.png", number, group=f"patient {number}") for number in range(12)]
    return audit_data(write_folder(tmp_path, {"train": [*shared, Row("x.png", 50, group="x")], "test": shared}))


def test_long_lists_are_cut_in_the_text_and_the_rest_is_counted(report: AuditReport) -> None:
    lines = format_report(report, limit=10).splitlines()
    assert "leaks between splits: 36" in lines
    start = lines.index("  same file name: 12")
    assert lines[start + 1] == "    0.png of busi in train, test"
    assert lines[start + 11] == "    ... and 2 more"
    assert "    train/0.png = test/0.png" in lines
    assert "    patient 0 of busi: images 1 in train, 1 in test" in lines


def test_a_limit_of_zero_shows_counts_only(report: AuditReport) -> None:
    text = format_report(report, limit=0)
    assert "  same group: 12\n    ... and 12 more" in text
    assert "0.png" not in text


def test_a_split_without_csv_is_named(report: AuditReport) -> None:
    assert format_report(report, 10).splitlines()[0].endswith("images in train 13, test 12; no CSV of val")


def test_what_could_not_be_checked_comes_first_and_phrases_without_training_next(tmp_path: Path) -> None:
    rows = {"train": [Row("a.png", 1), Row("b.png", 2, group="b")], "test": [Row("c.png", 3, "stone", group="c")]}
    lines = format_report(audit_data(write_folder(tmp_path, rows)), 10).splitlines()
    assert lines[0].startswith("patients NOT checked for 1 of 3 images (train 1, test 0): their group is empty")
    assert lines[1] == "" and "images in train 2, test 1" in lines[2]
    assert lines[4:6] == ["  WARNING, phrases that are absent from training: 1", "    stone: 1 images of test"]


def test_the_table_lines_up(report: AuditReport) -> None:
    lines = format_report(report, 10).splitlines()
    head = next(line for line in lines if line.startswith("dataset"))
    row = next(line for line in lines if line.startswith("busi     lesion"))
    assert head.index("train") + len("train") == row.index("13 (13)") + len("13 (13)")
    assert len(head) == len(row)


def test_the_json_holds_everything(report: AuditReport) -> None:
    held = json.loads(json.dumps(report.as_json()))
    assert held["num_leaks"] == 36 and held["checks_patients"] is True
    assert len(held["shared_names"]) == len(held["shared_pixels"]) == len(held["shared_groups"]) == 12
    assert held["shared_groups"][0] == {"dataset": "busi", "group": "patient 0", "num_images": {"train": 1, "test": 1}}
    assert held["shared_pixels"][0]["places"][1] == {"split": "test", "dataset": "busi", "image_name": "0.png"}
    assert held["contents"][0]["num_images"] == {"train": 13, "test": 12}
    assert set(held["contents"][0]["box_areas"]) == {"5", "25", "50", "75", "95"}
