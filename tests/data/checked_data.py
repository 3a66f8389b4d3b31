"""A small dataset that obeys the contract, for tests to spoil."""

from pathlib import Path

import numpy as np
import PIL.Image

from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.problems import Problem

WIDTH, HEIGHT = 40, 30


class DataSet:
    """Two images with masks and three rows, sound until a test spoils it; cells are given by row number in the CSV."""

    def __init__(self, folder: Path) -> None:
        self.csv_path, self.images, self.masks = folder / "train.csv", folder / "train", folder / "train_mask"
        for path in (self.images, self.masks):
            path.mkdir()
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        labels[5:10, 5:15], labels[15:25, 20:30] = 1, 2
        noise = np.random.default_rng(0).integers(1, 256, (HEIGHT, WIDTH), dtype=np.uint8)
        for name in ("a.png", "b.png"):
            PIL.Image.fromarray(noise).save(self.images / name)
            PIL.Image.fromarray(labels).save(self.masks / name)
        self.rows = {
            2: self.row("benign lesion", (5, 5, 10, 5), "a.png", mask_name="a.png#1"),
            3: self.row("benign lesion", (20, 15, 10, 10), "a.png", mask_name="a.png#2"),
            4: self.row("fetal head", ("", "", "", ""), "a.png"),
            5: self.row("fetal head", (4.5, 4.5, 10, 5.5), "b.png"),
        }

    @staticmethod
    def row(phrase: str, box: tuple[object, ...], image_name: str, mask_name: str = "") -> dict[str, object]:
        columns = ("bbox_x", "bbox_y", "bbox_width", "bbox_height")
        size = {"image_name": image_name, "image_width": WIDTH, "image_height": HEIGHT}
        more = {"dataset": "busi", "mask_name": mask_name, "group": "7"}
        return {"label_name": phrase, **dict(zip(columns, box, strict=True)), **size, **more}

    def spoil(self, row: int, **cells: object) -> None:
        self.rows[row].update(cells)

    def write(self) -> Path:
        lines = [",".join(self.rows[2]), *(",".join(map(str, row.values())) for row in self.rows.values())]
        self.csv_path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.csv_path

    def problems(self, masks_required: bool = False) -> list[Problem]:
        return check_table(self.write(), self.images, self.masks, masks_required, progress=False)

    def only_problem(self, masks_required: bool = False) -> Problem:
        (problem,) = self.problems(masks_required)
        assert problem.file == self.csv_path
        return problem
