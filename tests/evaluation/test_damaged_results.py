"""Damaged files of evaluations and training runs: read, or refused in one line that names the file or its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from damage import FEW_OR_MANY, changed_json, num_refused, refusal
from made_results import made_results, made_row, write_results

from gdinousam.data.sources.coco.segmentation import decode_segmentation, encode_rle
from gdinousam.data.sources.coco.segmentation import read_results as read_coco_results
from gdinousam.errors import InputError
from gdinousam.evaluation.figures.curves import read_run, training_curves
from gdinousam.evaluation.reporting.overview import overview_table
from gdinousam.evaluation.reporting.table_files import as_plain
from gdinousam.evaluation.reporting.tables import write_tables
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.evaluation.scoring.parts import PART_NAME, PartWriter, read_parts
from gdinousam.evaluation.scoring.results import METHOD_NAME, read_results
from gdinousam.evaluation.scoring.rows import read_rows, write_rows
from gdinousam.evaluation.scoring.trace import Thresholds, Trace, UsedWeights
from gdinousam.methods.saved_masks.arrays import array_size, read_array_mask
from gdinousam.records import ImageRecord

ROWS = [made_row(image=number, dice=number / 5, detected_boxes=((0.0, 0.0, 5.0, 6.0, 0.9),)) for number in range(4)]
ROWS += [made_row(image=4, protocol="paper"), made_row("tn3k", group="7")]
RECORDS = [
    ImageRecord(Path(row.image_name), 40, 50, row.dataset, None, (), (row.phrase,), (row.phrase,), row.phrase)
    for row in ROWS
]
TRACE = Trace({"detector": UsedWeights("base", "c" * 64, None)}, Thresholds(0.3, 1))
NOTES = Notes(("A remark.",), {"busi": "trained on it"}, False)


def tables(folder: Path) -> None:
    as_plain(overview_table([read_results(folder)]))


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_damaged_rows_are_read_or_refused_in_one_line(tmp_path: Path, count: int) -> None:
    write_rows(tmp_path / "rows.csv", ROWS)
    assert num_refused(tmp_path / "rows.csv", lambda path: write_tables(read_rows(path), tmp_path / "tables"), count)


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_rows_of_an_evaluation_that_stopped_are_read_or_refused_in_one_line(tmp_path: Path, count: int) -> None:
    with PartWriter(tmp_path / PART_NAME) as writer:
        for number, row in enumerate(ROWS):
            writer.append(number, [row])
    assert num_refused(tmp_path / PART_NAME, lambda path: read_parts(path.parent, RECORDS), count)


@pytest.mark.parametrize("number", ["-1", "x", "", "1.5", "²", "99"])
def test_an_image_number_that_no_image_has_is_refused(tmp_path: Path, number: str) -> None:
    with PartWriter(tmp_path / PART_NAME) as writer:
        writer.append(0, [ROWS[0]])
    text = (tmp_path / PART_NAME).read_text(encoding="utf-8")
    (tmp_path / PART_NAME).write_text(text.replace("\n0,", f"\n{number},"), encoding="utf-8")
    assert PART_NAME in str(refusal(lambda: read_parts(tmp_path, RECORDS)))


@pytest.mark.parametrize("name", [METHOD_NAME, "data.json"])
def test_every_change_to_what_results_say_of_themselves_is_taken_or_refused(tmp_path: Path, name: str) -> None:
    folder = write_results(made_results(ROWS, libraries={"numpy": "2"}, seconds_total=3.5), tmp_path / "out")
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    if name == METHOD_NAME:
        content |= {"weights": "full", "reference": False, **NOTES.to_json(), **TRACE.to_json()}
    refused = 0
    for what, changed in changed_json(content):
        (folder / name).write_text(json.dumps(changed), encoding="utf-8")
        said = refusal(lambda: tables(folder))
        assert said is None or str(folder) in said, what
        refused += said is not None
    assert refused


@pytest.mark.parametrize("count", FEW_OR_MANY)
@pytest.mark.parametrize("name", [METHOD_NAME, "data.json", "rows.csv"])
def test_a_damaged_results_folder_is_read_or_refused_in_one_line(tmp_path: Path, name: str, count: int) -> None:
    folder = write_results(made_results(ROWS), tmp_path / "out")
    assert num_refused(folder / name, lambda path: tables(path.parent), count)


SAVERS: dict[str, Callable[[Path], object]] = {
    "mask.npy": lambda path: np.save(path, np.eye(20, dtype=np.uint8)),
    "scores.npy": lambda path: np.save(path, np.eye(20, dtype=np.float32)),
    "mask.npz": lambda path: np.savez(path, logits=np.eye(20), other=np.ones(3)),
    "packed.npz": lambda path: np.savez_compressed(path, arr=np.eye(20, dtype=bool)),
}


@pytest.mark.parametrize("count", FEW_OR_MANY)
@pytest.mark.parametrize("name", SAVERS)
def test_a_damaged_array_is_read_or_refused_in_one_line(tmp_path: Path, name: str, count: int) -> None:
    SAVERS[name](tmp_path / name)
    assert num_refused(tmp_path / name, lambda path: read_array_mask(path, None, 0.5), count)
    assert num_refused(tmp_path / name, lambda path: array_size(path, None), count)


def decode_all(path: Path) -> None:
    for result in read_coco_results(path):
        try:
            decode_segmentation(result.segmentation, (20, 30))
        except (ValueError, MemoryError) as error:  # the callers of it name the file
            raise InputError(f"{path}: {' '.join(str(error).split())}") from error


def test_every_change_to_a_coco_result_is_taken_or_refused(tmp_path: Path) -> None:
    mask_hw = np.zeros((20, 30), dtype=bool)
    mask_hw[5:10, 5:20] = True
    polygon = {
        "image_id": 1,
        "category_id": 2,
        "score": 0.5,
        "segmentation": [[1, 1, 9, 1, 9, 9]],
        "bbox": [1, 1, 8, 8],
    }
    runs = {"image_id": "a", "category_id": "b", "score": 1, "segmentation": encode_rle(mask_hw)}
    plain = {**runs, "segmentation": {"size": [4, 3], "counts": [2, 4, 6]}}
    path = tmp_path / "results.json"
    for what, changed in changed_json([polygon, runs, plain]):
        path.write_text(json.dumps(changed), encoding="utf-8")
        said = refusal(lambda: decode_all(path))
        assert said is None or "results.json" in said, what


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_damaged_metrics_of_a_run_are_drawn_or_refused_in_one_line(tmp_path: Path, count: int) -> None:
    lines = ["epoch,step,learning_rate,train_loss,val_loss,seconds"]
    lines += [f"{epoch},{epoch * 7},1e-4,{3 / epoch},{4 / epoch},12.5" for epoch in range(1, 5)]
    (tmp_path / "metrics.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def draw(path: Path) -> None:
        run = read_run(path.parent)
        if count < 100:  # a drawing takes longer than all else here
            training_curves([run]).draw_without_rendering()

    assert num_refused(tmp_path / "metrics.csv", draw, count)
