"""``detections.json`` of an evaluation is a COCO results file: mask AP can be computed from files alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from coloured_images import ByColor, LeftHalf, Silent, write_mixed
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from gdinousam.data.contract.reading import write_records
from gdinousam.data.sources.coco.exporting import export_coco
from gdinousam.data.sources.coco.ids import coco_ids
from gdinousam.data.sources.coco.segmentation import decode_segmentation
from gdinousam.evaluation.scoring.methods import Method
from gdinousam.evaluation.scoring.runner import evaluate
from gdinousam.methods.saved_masks.coco_results import CocoResults
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.records import ImageRecord


class Stopping(LeftHalf):
    """Dies in the middle of an image, at the second batch."""

    def segment(self, images: Any, phrases: Any) -> Any:
        if self.batch_sizes:
            raise KeyboardInterrupt
        return super().segment(images, phrases)


@pytest.fixture
def records(tmp_path: Path) -> list[ImageRecord]:
    return write_mixed(tmp_path)


@pytest.fixture
def truth(records: list[ImageRecord], tmp_path: Path) -> Path:
    """The CSV of the records as a COCO file."""
    write_records(records, tmp_path / "test.CSV")
    export_coco(tmp_path / "test.CSV", tmp_path, tmp_path, tmp_path / "truth.json", progress=False, allow_odd=True)
    return tmp_path / "truth.json"


def results(method: Method, records: list[ImageRecord], folder: Path, **settings: Any) -> Path:
    evaluate(method, records, folder, num_pictures=0, **settings)
    return folder / "detections.json"


def precision(truth: Path, found: Path, kind: str) -> float:
    """COCO's AP over IoU 0.50 to 0.95, in [0, 1]."""
    coco = COCO(str(truth))
    evaluation = COCOeval(coco, coco.loadRes(str(found)), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_cocoeval_gives_ap_from_the_files_alone(
    truth: Path, records: list[ImageRecord], tmp_path: Path, kind: str
) -> None:
    assert precision(truth, results(ByColor(), records, tmp_path / "exact"), kind) == pytest.approx(1)
    # half of every object: IoU 0.5, right at one of the ten thresholds for those of an even width
    assert 0 < precision(truth, results(LeftHalf(), records, tmp_path / "half"), kind) <= 0.1


def test_a_part_of_the_images_has_the_ids_of_the_whole_csv(
    truth: Path, records: list[ImageRecord], tmp_path: Path
) -> None:
    """As with data.datasets or data.max_images."""
    of_b = [record for record in records if record.dataset == "B"]
    found = results(ByColor(), of_b, tmp_path / "out", ids=coco_ids(records))
    names = {image["id"]: image["file_name"] for image in json.loads(truth.read_text())["images"]}
    entries = json.loads(found.read_text())
    assert [names[entry["image_id"]] for entry in entries] == [
        record.path.name for record in of_b for _ in record.instances
    ]


def test_every_detection_has_its_own_mask_and_our_reader_takes_the_file(
    truth: Path, records: list[ImageRecord], tmp_path: Path
) -> None:
    found = results(ByColor(), records, tmp_path / "out")
    entries = json.loads(found.read_text())
    assert len(entries) == sum(len(record.instances) for record in records)
    for entry in entries:
        mask_hw = decode_segmentation(entry["segmentation"], (40, 60))
        _, _, width, height = entry["bbox"]
        assert mask_hw is not None and mask_hw.sum() == width * height and entry["score"] == 0.5
    again = CocoResults(found, records, SavedMasksSettings(coco_file=truth))
    assert not again.wrong and not again.missing and not again.unknown


def test_nothing_found_is_an_empty_list(records: list[ImageRecord], tmp_path: Path) -> None:
    assert json.loads(results(Silent(), records, tmp_path / "out").read_text()) == []


def test_a_run_that_goes_on_leaves_the_same_file(records: list[ImageRecord], tmp_path: Path) -> None:
    whole = results(LeftHalf(), records, tmp_path / "whole").read_text()
    with pytest.raises(KeyboardInterrupt):
        results(Stopping(), records, tmp_path / "out", batch_size=2)
    part = tmp_path / "out" / "detections.json.part"
    lines = part.read_text().splitlines(keepends=True)
    assert len(lines) == 2
    # killed before the rows of an image were there, before its own line was whole, and by another process
    part.write_text(lines[0] + lines[1][:-7])
    part.with_name("detections.json.part.1").write_text("5\t[]\n")
    assert results(LeftHalf(), records, tmp_path / "out", batch_size=2, resume=True).read_text() == whole
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"detections.json", "rows.csv"}
