"""An export becomes a folder in the CSV layout, and a training runs on it, one at a time."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found_objects import LARGE, SMALL, WHOLE
from label_studio_exports import quick_config, stroke, task

from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import union_mask
from gdinousam.errors import InputError
from gdinousam.labelling.label_studio.host import LabelStudioHost
from gdinousam.labelling.label_studio.images import TaskImages
from gdinousam.labelling.label_studio.settings import LabelStudioSettings
from gdinousam.labelling.label_studio.tuning import BusyError, Tuner, Tuning, write_data
from gdinousam.records import ImageRecord

SETTINGS = LabelStudioSettings()
IMAGES = TaskImages(SETTINGS, LabelStudioHost(SETTINGS), 10**6)
DEADLINE_S = 120.0


def ended(tuner: Tuner) -> Tuning:
    end = time.monotonic() + DEADLINE_S
    while (status := tuner.status()).state in ("preparing", "training"):
        assert time.monotonic() < end, status
        time.sleep(0.05)
    return status


def records(data: Path, split: str) -> tuple[ImageRecord, ...]:
    return read_records(data / f"{split}.CSV", data / split, data / f"{split}_mask")


def test_labels_become_phrases_and_groups_stay_together(tmp_path: Path) -> None:
    tasks = [task(number, [stroke(LARGE, "mass")], patient_id=f"p{number // 2}", name="Smith") for number in range(8)]
    tasks += [
        task(8, [], patient_id="p8"),  # submitted empty: shows none of the labels
        task(9, None),  # skipped
        task(10),
        task(11, [stroke(LARGE, "Cyst")], [stroke(SMALL, "Cyst")], patient_id="p9"),
    ]
    data = write_data(tmp_path, tasks, WHOLE, IMAGES)
    train, val = records(data, "train"), records(data, "val")
    assert len(train) + len(val) == 10 and val
    assert not {one.group for one in train} & {one.group for one in val}
    assert {one.group for one in (*train, *val)} == {"p0", "p1", "p2", "p3", "p8", "p9"}
    by_group = {one.group: one for one in (*train, *val)}
    assert by_group["p8"].absent_phrases == ("Cyst", "solid mass")
    assert by_group["p0"].phrases == ("solid mass",)
    mask_hw = union_mask(by_group["p9"].instances, LARGE.shape)
    np.testing.assert_array_equal(mask_hw, SMALL)  # of several annotations the last
    assert "Smith" not in (data / "train.CSV").read_text() + (tmp_path / "annotations.json").read_text()


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"tasks": []}, "no list of tasks"),
        ([], "no list of tasks"),
        ([task(1), task(2, None)], "no task has an annotation that was submitted"),
        ([{**task(1, []), "data": {}}], "task 1: its data has no 'image'"),
        ([{**task(1, []), "data": {"image": "data:,text"}}], "task 1: its image is none of PNG, JPEG"),
        ([{**task(1, []), "id": "../../evil", "data": {"image": "data:,"}}], "task ../../evil: its image is none of"),
    ],
)
def test_what_cannot_be_trained_on_is_one_line(tasks: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write_data(tmp_path, tasks, WHOLE, IMAGES)


def test_an_id_is_no_path(tmp_path: Path) -> None:
    write_data(tmp_path, [{**task(1, [stroke(LARGE, "mass")]), "id": "../../evil"}], WHOLE, IMAGES)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["task-1.png"]


def test_what_fails_before_or_in_the_training_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuner = Tuner(tmp_path / "runs", None, IMAGES)
    assert tuner.status() == Tuning("idle")
    assert tuner.start(lambda: ([], WHOLE)) == "label-studio-1"
    status = ended(tuner)
    assert (status.state, status.run, status.log) == ("failed", "label-studio-1", ())
    assert "no list of tasks" in status.message
    program = tmp_path / "python"  # in the place of Python, which takes seconds to refuse a config
    monkeypatch.setattr(sys, "executable", str(program))
    for said, message in (("error: no such thing", "error: no such thing"), ("killed", "exit code 2; see its log")):
        program.write_text(f'#!/bin/sh\necho "$@"\necho "{said}" >&2\nexit 2\n')
        program.chmod(0o700)
        run = tuner.start(lambda: ([task(1, [stroke(LARGE, "mass")])], WHOLE))
        status = ended(tuner)
        assert status.state == "failed" and status.message.endswith(message)
        assert status.log[0].startswith(f"-m gdinousam train --small --data {tmp_path}/runs/{run}/data --set ")
        assert status.log[-1] == said


def test_one_training_at_a_time_and_closing_stops_it(tmp_path: Path) -> None:
    tuner = Tuner(tmp_path / "runs", quick_config(tmp_path), IMAGES)
    export = [task(number, [stroke(LARGE, "mass")]) for number in range(4)], WHOLE
    tuner.start(lambda: export)
    with pytest.raises(BusyError, match=r"label-studio-1 is still (preparing|training); wait for it"):
        tuner.start(lambda: export)
    end = time.monotonic() + DEADLINE_S
    while (status := tuner.status()).state == "preparing":
        assert time.monotonic() < end, status
        time.sleep(0.05)
    assert status.state == "training"
    tuner.close()
    assert tuner.status().state == "stopped"
    with pytest.raises(BusyError):
        tuner.start(lambda: export)
