"""An import killed at any of its file operations is whole or can be made again; the folder is never blocked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from coco_files import annotation, image, rectangle, split_paths, write_coco
from kills import each_kill

from gdinousam.data.contract.check import check_table
from gdinousam.data.sources.coco.importing import import_coco
from gdinousam.data.sources.coco.writing import ImportOptions
from gdinousam.errors import InputError


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "most", [pytest.param(8, id="some"), pytest.param(None, id="all", marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
def test_an_import(tmp_path: Path, most: int | None) -> None:
    masks = rectangle(2, 3, 6, 5), rectangle(15, 3, 6, 5)
    annotations = [annotation(place, place, mask, bbox=[2, 3, 6, 5]) for place, mask in enumerate(masks, start=1)]
    annotations[1]["bbox"] = [15, 3, 6, 5]
    file = write_coco(tmp_path, [image(1, "a.png"), image(2, "b.png")], annotations)
    earlier, data = tmp_path / "earlier", tmp_path / "run" / "data"

    def run(folder: Path, split: str = "train") -> None:
        import_coco(file, tmp_path / "images", folder, ImportOptions(split), progress=False)  # type: ignore[arg-type]

    run(earlier, "val")
    shutil.copytree(earlier, data)
    run(data)
    expected = tree(data)
    num_finished = 0
    for point in each_kill(lambda: run(data), data.parent, lambda: shutil.copytree(earlier, data), most):
        assert tree(data).items() >= tree(earlier).items(), point
        try:
            run(data)
        except InputError as error:  # of the first command, which the second has finished
            assert "of an earlier train split" in str(error), point
            num_finished += 1
        assert tree(data) == expected, point
    assert num_finished
    csv_path, images, mask_dir = split_paths(data, "train")
    assert check_table(csv_path, images, mask_dir, masks_required=True) == []
