"""Files that we write, read by the libraries that people read such files with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import LoadImage
from torchvision.io import decode_image, read_file

from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import union_mask
from gdinousam.data.sources.coco.exporting import export_coco
from gdinousam.drawing import draw_panel, write_picture
from gdinousam.evaluation.scoring.kept import write_masks
from gdinousam.records import Detection, Image, ImageRecord, Mask

SIZE_HW = (30, 47)


@pytest.fixture
def mask_hw() -> Mask:
    """A triangle, which no flip or transposition leaves alone."""
    down, across = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    return np.asarray((down > 4) & (across > 6) & (down + 2 * across < 60))


@pytest.fixture
def mask_file(mask_hw: Mask, tmp_path: Path) -> Path:
    height, width = SIZE_HW
    record = ImageRecord(tmp_path / "a.png", width, height, "d", None, (), (), ("cyst",), "cyst")
    write_masks(tmp_path, {"cyst": "a_mask.png"}, record, [Detection("cyst", (7, 5, 27, 30), 0.5, mask_hw)])
    return tmp_path / "a_mask.png"


def test_monai_reads_a_mask(mask_file: Path, mask_hw: Mask) -> None:
    read = LoadImage(image_only=True)(mask_file)
    assert read.shape == SIZE_HW[::-1]  # its axes are x, y
    np.testing.assert_array_equal(np.asarray(read).T, mask_hw * 255)


def test_torchvision_reads_a_mask_and_an_overlay(mask_file: Path, mask_hw: Mask, tmp_path: Path) -> None:
    mask = decode_image(read_file(str(mask_file)))
    assert mask.dtype == torch.uint8 and mask.shape == (1, *SIZE_HW)
    np.testing.assert_array_equal(mask[0].numpy(), mask_hw * 255)
    overlay: Image = draw_panel(np.full((*SIZE_HW, 3), 60, np.uint8), [])
    write_picture(overlay, tmp_path / "overlay.png")
    np.testing.assert_array_equal(decode_image(read_file(str(tmp_path / "overlay.png"))).permute(1, 2, 0), overlay)


@pytest.mark.parametrize("polygons", [False, True])
def test_supervision_reads_exported_data_with_its_masks(phantom_data: Path, tmp_path: Path, polygons: bool) -> None:
    supervision = pytest.importorskip("supervision")
    if not hasattr(supervision, "DetectionDataset"):
        pytest.skip("this version of supervision reads no COCO")
    images, masks = phantom_data / "test_image", phantom_data / "test_mask"
    export_coco(phantom_data / "test.CSV", images, masks, tmp_path / "test.json", polygons, progress=False)
    read = supervision.DetectionDataset.from_coco(str(images), str(tmp_path / "test.json"), force_masks=True)
    records = {record.path.name: record for record in read_records(phantom_data / "test.CSV", images, masks)}
    assert len(read) == len(records)
    for path, image, found in read:
        record = records[Path(path).name]
        assert image.shape == (record.height, record.width, 3)
        assert [read.classes[number] for number in found.class_id] == [one.phrase for one in record.instances]
        for one, mask_hw in zip(record.instances, found.mask, strict=True):
            x, y, width, height = one.box_xywh
            assert abs(mask_hw.sum() - union_mask([one], image.shape[:2]).sum()) <= 2 * (width + height)
            assert mask_hw[int(y) : int(y + height) + 1, int(x) : int(x + width) + 1].sum() == mask_hw.sum()
