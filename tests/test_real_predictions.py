"""Masks of the small model on real images have the same scores in every form that other programs store them in."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from gdinousam.commands.common import run
from gdinousam.commands.test import evaluate_command
from gdinousam.data.images import read_mask_file
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.evaluation.scoring.results import Results, read_results
from gdinousam.records import Mask

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data" / "multimodal-data"
NUM_IMAGES = 12

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.slow,
    pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the folder of real images is not here"),
]

Masks = dict[tuple[str, str, str], Mask]  # by dataset, image and phrase


def evaluated(csv_path: Path, folder: Path, *arguments: str) -> Results:
    settings = {
        "data.test_dir": REAL_DATA / "test_image",
        "data.test_masks": REAL_DATA / "test_mask",
        "data.test_ann": csv_path,
        "evaluation.num_pictures": 2,
        "evaluation.output_dir": folder,
    }
    given = [text for key, value in settings.items() for text in ("--set", f"{key}={value}")]
    assert run(evaluate_command, ["--config", str(ROOT / "configs/small/test.yaml"), *given, *arguments]) == 0
    return read_results(folder)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results, Masks]:
    """The CSV of images of all test sets, the scores of the pictures that the small model left, and its masks."""
    folder = tmp_path_factory.mktemp("real")
    with (REAL_DATA / "test.CSV").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = list(dict.fromkeys(row["image_name"] for row in rows))
    chosen = set(names[:: len(names) // NUM_IMAGES][:NUM_IMAGES])
    with (folder / "some.CSV").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["image_name"] in chosen)
    run_rows = evaluated(folder / "some.CSV", folder / "run", "--set", "evaluation.save_masks=true").rows
    results = evaluated(folder / "some.CSV", folder / "pictures", "--predictions", str(folder / "run/masks"))
    # under paper a run scores the box that the public scripts would choose, which need not be one of its masks
    dice_of = [[row.dice for row in rows if row.protocol == "strict"] for rows in (run_rows, results.rows)]
    assert dice_of[0] == dice_of[1]
    # all images here have one phrase, so that a mask is named as its image
    masks = {
        (row.dataset, row.image_name, row.phrase): read_mask_file(
            folder / "run/masks" / f"{Path(row.image_name).stem}.png"
        ).foreground
        for row in results.rows
    }
    return folder / "some.CSV", results, masks


def as_study(key: str, dtype: type) -> Callable[[Path, Masks], Path]:
    def store(folder: Path, masks: Masks) -> Path:
        for (dataset, name, _), mask_hw in masks.items():
            (folder / dataset).mkdir(parents=True, exist_ok=True)
            np.savez(folder / dataset / f"{Path(name).stem}.npz", **{key: 0.5 * mask_hw.astype(dtype)})
        return folder

    return store


def as_arrays(folder: Path, masks: Masks) -> Path:
    folder.mkdir()
    for (_, name, _), mask_hw in masks.items():
        np.save(folder / f"{Path(name).stem}.npy", mask_hw)
    return folder


def as_nifti(folder: Path, masks: Masks) -> Path:
    folder.mkdir()
    for (_, name, _), mask_hw in masks.items():
        volume = nibabel.Nifti1Image(mask_hw.T[:, :, None].astype(np.uint8), np.diag([-1.0, -1.0, 1.0, 1.0]))
        nibabel.save(volume, folder / f"{Path(name).stem}.nii.gz")
    return folder


def as_coco(folder: Path, masks: Masks) -> Path:
    folder.mkdir()
    entries = [
        {"image_id": name, "category_id": phrase, "score": 0.75, "segmentation": encode_rle(mask_hw)}
        for (_, name, phrase), mask_hw in masks.items()
    ]
    (folder / "results.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder / "results.json"


@pytest.mark.parametrize(
    "store",
    [as_study("logits", np.float32), as_study("arr", np.float64), as_arrays, as_nifti, as_coco],
    ids=["study logits", "study arr", "npy", "nifti", "coco"],
)
def test_stored_predictions_have_the_scores_of_the_pictures(
    first: tuple[Path, Results, Masks], tmp_path: Path, store: Callable[[Path, Masks], Path]
) -> None:
    csv_path, results, masks = first
    path = store(tmp_path / "stored", masks)
    again = evaluated(csv_path, tmp_path / "out", "--predictions", str(path), "--set", "evaluation.method=Stored")
    kept = {"score": 0.0, "detected_boxes": ()}  # scores of their own, which pictures do not have
    assert repr([replace(row, **kept) for row in again.rows]) == repr([replace(row, **kept) for row in results.rows])
    assert len({row.dataset for row in again.rows}) >= 4 and any(row.dice > 0.5 for row in again.rows)


def test_predictions_at_twice_the_size_have_the_scores_of_the_pictures_where_the_truth_follows(
    first: tuple[Path, Results, Masks], tmp_path: Path
) -> None:
    csv_path, results, masks = first
    twice = {key: mask_hw.repeat(2, axis=0).repeat(2, axis=1) for key, mask_hw in masks.items()}
    folder = as_study("prediction", np.float32)(tmp_path / "SAMUS", twice)
    given = ["--predictions", str(folder), "--set", "evaluation.method=SAMUS"]
    again = evaluated(csv_path, tmp_path / "out", *given, "--set", "saved_masks.resize=truth")
    assert [(row.dice, row.iou) for row in again.rows] == [(row.dice, row.iou) for row in results.rows]
    assert [row.true_pixels for row in again.rows] == [4 * row.true_pixels for row in results.rows]
    assert again.notes.resized_truth and len(again.notes.remarks) == 2
