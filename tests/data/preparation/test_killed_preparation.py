"""A preparation that is killed at any of its file operations leaves sound data, and the same command finishes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from kills import each_kill

from gdinousam.data.contract.layout import SPLIT_FOLDERS, SPLITS
from gdinousam.data.contract.reading import COLUMNS, read_records, read_table
from gdinousam.data.preparation.prepare import prepare
from gdinousam.data.preparation.preview import write_preview
from gdinousam.data.preparation.report import Options
from gdinousam.data.sources.public.busi import Busi

NUM_PER_CLASS = 3


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A miniature of BUSI: three unlike images of each class."""
    root = tmp_path / "Dataset_BUSI_with_GT"
    random = np.random.default_rng(0)
    for label in ("benign", "malignant", "normal"):
        (root / label).mkdir(parents=True)
        for number in range(1, NUM_PER_CLASS + 1):
            coarse = PIL.Image.fromarray(random.integers(0, 256, (6, 8), dtype=np.uint8))
            coarse.resize((40, 30), PIL.Image.Resampling.BICUBIC).save(root / label / f"{label} ({number}).png")
            mask = np.zeros((30, 40), np.uint8)
            mask[10:20, 10 : 20 + number] = 0 if label == "normal" else 255
            PIL.Image.fromarray(mask).save(root / label / f"{label} ({number})_mask.png")
    return root


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_sound(data: Path, point: object) -> None:
    """Every row has its image and mask, and the user's own row is as it was."""
    for split in SPLITS:
        csv_path, images, masks = (data / name for name in (f"{split}.CSV", *SPLIT_FOLDERS[split]))
        if csv_path.exists():
            for record in read_records(csv_path, images, masks):
                assert record.path.is_file(), point
                assert all(one.mask is not None and one.mask.path.is_file() for one in record.instances), point
    assert "mine.png" in list(read_table(data / "train.CSV")["image_name"]), point


@pytest.mark.parametrize(
    "most", [pytest.param(4, id="some"), pytest.param(None, id="all", marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
def test_preparing_again_with_other_options(tmp_path: Path, release: Path, most: int | None) -> None:
    earlier, data = tmp_path / "earlier", tmp_path / "run" / "data"

    def run(folder: Path, negatives: bool) -> None:
        prepare(Busi(), release, folder, Options(negatives=negatives), progress=False)

    (earlier / "train").mkdir(parents=True)
    (earlier / "train_mask").mkdir()
    for name in ("train", "train_mask"):
        PIL.Image.fromarray(np.full((9, 9), 255, np.uint8)).save(earlier / name / "mine.png")
    (earlier / "train.CSV").write_text(",".join(COLUMNS) + "\ncyst,1,2,3,4,mine.png,9,9,mine\n")
    run(earlier, negatives=True)
    shutil.copytree(earlier, data)
    run(data, negatives=False)
    expected = tree(data)
    assert set(tree(earlier)) - set(expected), "nothing is removed, so the test would not see its kills"
    for point in each_kill(lambda: run(data, False), data.parent, lambda: shutil.copytree(earlier, data), most):
        assert_sound(data, point)
        run(data, negatives=False)
        assert tree(data) == expected, point


def test_the_preview_is_whole_or_not_there(tmp_path: Path, release: Path) -> None:
    data, picture = tmp_path / "data", tmp_path / "run" / "preview.png"
    prepare(Busi(), release, data, Options(), progress=False)
    for point in each_kill(lambda: write_preview(data, "busi", picture), picture.parent, lambda: None):
        if picture.exists():
            with PIL.Image.open(picture) as sheet:
                sheet.load()
        write_preview(data, "busi", picture)
        assert [path.name for path in picture.parent.iterdir()] == ["preview.png"], point
