"""The fingerprint describes a data set in values that JSON holds."""

import hashlib
import json
from pathlib import Path

import pytest

from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.records import ImageRecord, Instance


def record(name: str, dataset: str, width: int, boxes: int, absent: tuple[str, ...] = ()) -> ImageRecord:
    lesions = tuple(Instance("lesion", (0, 0, 10, 10.0 * (number + 1))) for number in range(boxes))
    phrases = ("lesion",) * bool(boxes) + absent
    return ImageRecord(Path(name), width, 100, dataset, instances=lesions, absent_phrases=absent, phrases=phrases)


def test_fingerprint_counts_images_instances_datasets_and_phrases(tmp_path):
    path = tmp_path / "train.CSV"
    path.write_text("a,b\n")
    records = [record("a.png", "busi", 100, 2, ("nodule",)), record("b.png", "stu", 200, 1), record("c", "busi", 50, 0)]
    result = fingerprint(records, tmp_path / "train.csv")
    assert json.loads(json.dumps(result)) == result
    assert result["csv_sha256"] == hashlib.sha256(b"a,b\n").hexdigest()
    assert (result["num_images"], result["num_instances"], result["num_absent"]) == (3, 3, 1)
    assert result["datasets"] == {"busi": {"images": 2, "instances": 2}, "stu": {"images": 1, "instances": 1}}
    assert result["phrases"] == {"lesion": {"images": 2, "instances": 3}, "nodule": {"images": 1, "instances": 0}}
    assert (result["width_range"], result["height_range"]) == ([50, 200], [100, 100])


def test_box_area_quantiles_are_fractions_of_the_image(tmp_path):
    path = tmp_path / "train.csv"
    path.touch()
    quantiles = fingerprint([record("a.png", "busi", 100, 3)], path)["box_area_fraction"]
    assert list(quantiles) == ["5", "25", "50", "75", "95"]
    assert list(quantiles.values()) == pytest.approx([0.011, 0.015, 0.02, 0.025, 0.029])


def test_fingerprint_of_no_images_is_empty(tmp_path):
    path = tmp_path / "train.csv"
    path.touch()
    result = fingerprint([], path)
    assert result["width_range"] is None and result["box_area_fraction"] == {} and result["num_images"] == 0
