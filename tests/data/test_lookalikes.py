"""Training images that look like a test image are left out, others stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from gdinousam.data.audit.lookalikes import without_lookalikes
from gdinousam.data.contract.reading import read_records
from gdinousam.errors import InputError


def test_a_recompressed_copy_of_a_test_image_is_left_out(phantom_data: Path, tmp_path: Path) -> None:
    records = read_records(phantom_data / "train.CSV", phantom_data / "train")
    with PILImage.open(records[3].path) as image:
        half = image.resize((image.width // 2, image.height // 2))
    half.save(tmp_path / "copy.jpg", quality=80)
    kept = without_lookalikes(records, tmp_path)
    assert [record.path for record in kept] == [record.path for record in records if record is not records[3]]


def test_strangers_stay(phantom_data: Path) -> None:
    records = read_records(phantom_data / "train.CSV", phantom_data / "train")
    assert without_lookalikes(records, phantom_data / "test_image") == tuple(records)


def test_two_alike_training_images_both_stay_unless_a_test_image_is_alike(phantom_data: Path, tmp_path: Path) -> None:
    records = read_records(phantom_data / "train.CSV", phantom_data / "train")
    noise = np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8)
    PILImage.fromarray(noise).save(tmp_path / "other.png")
    assert len(without_lookalikes([records[0], records[0]], tmp_path)) == 2


def test_a_folder_without_images_is_refused(phantom_data: Path, tmp_path: Path) -> None:
    records = read_records(phantom_data / "train.CSV", phantom_data / "train")
    with pytest.raises(InputError, match="no images in it"):
        without_lookalikes(records, tmp_path)
