"""The measurement of look-alikes on phantoms: copies are counted, strangers are told and drawn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from benchmarks.command import benchmark_command
from benchmarks.lookalikes.alterations import ALTERATIONS
from benchmarks.lookalikes.command import recall_table, strangers_table
from benchmarks.lookalikes.search import (
    ACROSS,
    Found,
    StrangerPair,
    measure_lookalikes,
    read_pictures,
)
from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.data.contract.reading import read_table, write_table
from gdinousam.data.sources.phantoms import make_phantom

CROP = "crop, 10 % at each side"


@pytest.fixture
def grouped_data(phantom_data: Path, tmp_path: Path) -> Path:
    """The phantoms, each a patient of its own, and one of the training images once more as another patient of val."""
    data = tmp_path / "data"
    shutil.copytree(phantom_data, data)
    for csv_path in data.glob("*.CSV"):
        table = read_table(csv_path)
        table["group"] = table["image_name"] + csv_path.stem
        write_table(table, csv_path)
    first = read_table(data / "train.CSV")["image_name"].iloc[0]
    copied = read_table(data / "val.CSV")["image_name"].iloc[0]
    image = np.array(PIL.Image.open(data / "train" / first))
    PIL.Image.fromarray(np.ascontiguousarray(image[:, ::-1])).save(data / "val" / copied)
    return data


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_alteration_keeps_the_form_of_an_image_and_depends_on_its_generator_alone(name: str) -> None:
    image = make_phantom(np.random.default_rng(0)).image
    before = image.copy()
    altered = ALTERATIONS[name](image, np.random.default_rng(3))
    assert altered.dtype == np.uint8 and altered.ndim == 3 and altered.shape[2] == 3
    assert np.array_equal(image, before)
    assert not np.array_equal(altered, image)
    assert np.array_equal(altered, ALTERATIONS[name](image, np.random.default_rng(3)))


def test_crops_and_borders_have_the_size_that_their_name_says() -> None:
    image = np.full((100, 200, 3), 7, np.uint8)
    generator = np.random.default_rng(0)
    assert ALTERATIONS[CROP](image, generator).shape == (80, 160, 3)
    bordered = ALTERATIONS["white border, 10 % at each side"](image, generator)
    assert bordered.shape == (120, 240, 3)
    assert (bordered[10:-10, 20:-20] == 7).all() and (bordered[:10] == 255).all()


def test_copies_are_counted_and_strangers_told_and_drawn(grouped_data: Path, tmp_path: Path) -> None:
    pictures = read_pictures([grouped_data])
    found = measure_lookalikes(pictures, num_copies=4, folder=tmp_path)
    assert found.num_copies == 4 and set(found.found) == set(ALTERATIONS)
    assert found.found["mirrored"] == found.found[CROP] == 4
    num = len(pictures)
    assert found.num_strangers == {pictures[0].dataset: num * (num - 1) // 2, ACROSS: 0}
    (stranger,) = found.strangers
    assert stranger.is_mirrored and stranger.correlation > 0.9
    with PIL.Image.open(tmp_path / "pairs.png") as sheet:
        assert sheet.width == 3 * 490


def test_image_files_have_no_group_and_so_no_strangers(grouped_data: Path, tmp_path: Path) -> None:
    paths = sorted((grouped_data / "train").iterdir())[:2]
    found = measure_lookalikes(read_pictures([*paths, paths[0]]), num_copies=1, folder=tmp_path)
    assert found.strangers == () and found.num_strangers == {ACROSS: 0}
    assert not (tmp_path / "pairs.png").exists()


def test_tables_show_percent_and_pairs_by_dataset() -> None:
    pair = StrangerPair("busi", "a.png", "b.png", 0.5, False)
    found = Found(8, {"mirrored": 8, "noise": 6}, {"busi": 3, "stu": 2}, {"busi": 3, "stu": 1, ACROSS: 6}, (pair,), 1.0)
    assert [[cell.text for cell in line] for line in recall_table(found).lines] == [
        ["mirrored", "8", "8", "100.00"],
        ["noise", "8", "6", "75.00"],
    ]
    assert [[cell.text for cell in line] for line in strangers_table(found).lines] == [
        ["busi", "3", "3", "1"],
        ["stu", "2", "1", "0"],
        [ACROSS, "5", "6", "0"],
    ]


def test_the_command_writes_tables_and_keeps_an_earlier_measurement(
    grouped_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["lookalikes", str(grouped_data), "--copies", "1", "--out", str(tmp_path / "out")]
    assert run(benchmark_command, arguments) == 0
    assert "Copies that are found" in capsys.readouterr().out
    written = json.loads((tmp_path / "out" / "lookalikes" / "lookalikes.json").read_text(encoding="utf-8"))
    assert written["num_copies"] == 1 and "torch" in written["versions"]
    assert run(benchmark_command, arguments) == BAD_INPUT
    assert "--overwrite" in capsys.readouterr().err
    assert run(benchmark_command, ["lookalikes", str(tmp_path), "--out", str(tmp_path / "new")]) == BAD_INPUT
    assert "neither an image file nor a folder" in capsys.readouterr().err
