"""VIA 2: projects and exported annotations, of which one attribute is the label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_files import imported, objects_of, only, rectangle, write_image, write_json

from gdinousam.data.contract.problems import DataProblems
from gdinousam.errors import InputError

SQUARE = {"name": "polygon", "all_points_x": [5, 15, 15, 5], "all_points_y": [5, 5, 15, 15]}
BOX = {"name": "rect", "x": 25, "y": 10, "width": 10, "height": 12}


def region(drawn: dict, label: Any = "cyst", **more: Any) -> dict:
    return {"shape_attributes": drawn, "region_attributes": {"finding": label, **more}}


def entry(name: str, *regions: dict, **attributes: str) -> dict:
    return {"filename": name, "size": 1234, "regions": list(regions), "file_attributes": attributes}


def exported(folder: Path, *entries: dict) -> Path:
    """As "Export Annotations (as json)" writes it."""
    for one in entries:
        write_image(folder / one["filename"])
    return write_json(folder / "via_export_json.json", {f"{one['filename']}{one['size']}": one for one in entries})


def project(folder: Path, *entries: dict) -> Path:
    """As "Save Project" writes it."""
    annotations = exported(folder, *entries)
    annotations.unlink()
    options = {"cyst": "a cyst", "mass": "a mass"}
    content = {
        "_via_settings": {"project": {"name": "p"}, "core": {"default_filepath": ""}},
        "_via_img_metadata": {f"{one['filename']}{one['size']}": one for one in entries},
        "_via_attributes": {"region": {"finding": {"type": "dropdown", "options": options}}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": [f"{one['filename']}{one['size']}" for one in entries],
    }
    return write_json(folder / "project.json", content)


def test_shapes_of_exported_annotations(tmp_path: Path) -> None:
    circle = {"name": "circle", "cx": 10, "cy": 22, "r": 4}
    ellipse = {"name": "ellipse", "cx": 20, "cy": 10, "rx": 8, "ry": 2, "theta": 1.5707963}
    source = exported(tmp_path / "s", entry("a.png", region(SQUARE), region(BOX), region(circle), region(ellipse)))
    record = only(imported(source, tmp_path / "data"))
    (_, square), (_, box), (_, disc), (_, upright) = objects_of(record)
    np.testing.assert_array_equal(square, rectangle(5, 5, 10, 10))
    assert box is None and record.instances[1].box_xywh == (25, 10, 10, 12)
    assert disc is not None and abs(disc.sum() - np.pi * 16) < 4
    assert upright is not None and upright[4, 20] and not upright[10, 14]  # turned by a quarter


def test_a_project_tells_all_labels_of_its_negatives(tmp_path: Path) -> None:
    source = project(tmp_path / "s", entry("a.png", region(SQUARE), patient="x", group="p7"), entry("b.png"))
    assert only(imported(source, tmp_path / "data")).group == "p7"
    _, empty = imported(source, tmp_path / "more", negatives=True).records
    assert empty.absent_phrases == ("cyst", "mass")


def test_a_ticked_checkbox_is_the_label_and_regions_may_be_numbered(tmp_path: Path) -> None:
    one = entry("a.png", region(SQUARE, {"cyst": True, "mass": False}))
    one["regions"] = {"0": one["regions"][0]}
    assert objects_of(only(imported(exported(tmp_path / "s", one), tmp_path / "data")))[0][0] == "cyst"


def test_the_attribute_of_the_labels_is_asked_for_where_there_are_several(tmp_path: Path) -> None:
    source = exported(tmp_path / "s", entry("a.png", region(SQUARE, side="left")))
    with pytest.raises(InputError, match="attributes finding, side; name the one of the labels with --attribute"):
        imported(source, tmp_path / "data")
    assert objects_of(only(imported(source, tmp_path / "data", attribute="side")))[0][0] == "left"


def test_mistakes_are_one_table(tmp_path: Path) -> None:
    cut = {"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}
    entries = [
        entry("a.png", region(cut)),
        entry("b.png", region({"name": "rect", "x": 1, "y": 1, "width": 4})),
        entry("c.png", region(SQUARE, {"cyst": True, "mass": True})),
        entry("d.png", region(SQUARE, "")),
    ]
    with pytest.raises(DataProblems) as told:
        imported(exported(tmp_path / "s", *entries), tmp_path / "data")
    assert [problem.value for problem in told.value.problems] == [
        "region 1 has 3 x and 2 y",
        "region 1: its rect has no height",
        "region 1 has 2 labels",
        "region 1 has no label",
    ]


def test_another_json_file_is_one_line(tmp_path: Path) -> None:
    source = write_json(tmp_path / "a.json", {"file": {}, "view": {}, "metadata": {}})
    with pytest.raises(InputError, match="no project and no exported annotations of VIA 2"):
        imported(source, tmp_path / "data", "via")
    with pytest.raises(InputError, match="nothing tells its format; name it with --format"):
        imported(source, tmp_path / "data")
