"""Corrections on the page, driven in a real browser: by clicks, boxes and keys, saved, and trained on."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate.state import AcceleratorState
from browser import (
    PHRASE,
    ask,
    click,
    coco,
    drag,
    objects,
    open_pictures,
    opened_page,
    wait,
)
from served import served

from gdinousam import Segmenter
from gdinousam.commands.common import run
from gdinousam.commands.train import train_command
from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_image
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings


def test_clicks_boxes_undo_and_redo(page: Any, pictures: list[Path]) -> None:
    open_pictures(page, pictures[0])
    ask(page, PHRASE)
    states = [coco(page)["annotations"]]
    x, y, width, height = states[0][0]["bbox"]
    click(page, x + width / 2, y + height / 2)
    assert page.get_attribute("#objects button", "aria-pressed") == "true"
    page.click("[data-tool=beside]")
    click(page, x + 0.25 * width, y + height / 2)
    states.append(coco(page)["annotations"])
    page.keyboard.press("a")
    click(page, x + 0.6 * width, y + 0.6 * height)
    states.append(coco(page)["annotations"])
    page.keyboard.press("r")
    drag(page, (x + width / 3, y + height / 3, x + width, y + height))
    states.append(coco(page)["annotations"])
    page.keyboard.press("n")
    drag(page, (10, 10, 40, 35))
    states.append(coco(page)["annotations"])
    page.keyboard.press("Delete")
    states.append(coco(page)["annotations"])
    assert [len(state) for state in states] == [1, 1, 1, 1, 2, 1]
    assert all(one != other for one, other in pairwise(states))
    assert objects(page)[0][3].endswith("corrected")
    for state in states[-2::-1]:
        page.keyboard.press("Control+z")
        assert coco(page)["annotations"] == state
    assert page.is_disabled("#undo")
    for state in states[1:]:
        page.keyboard.press("Control+y")
        assert coco(page)["annotations"] == state
    assert page.is_disabled("#redo")


def test_a_corner_that_is_dragged(page: Any, pictures: list[Path]) -> None:
    open_pictures(page, pictures[0])
    ask(page, PHRASE)
    page.press("#phrase", "Escape")
    page.click("#objects button")  # which takes the focus from the picture
    assert page.get_attribute("#objects button", "aria-pressed") == "true"
    x, y, width, height = coco(page)["annotations"][0]["bbox"]
    page.keyboard.press("n")
    drag(page, (10, 10, 60, 50))
    page.keyboard.press("v")
    drag(page, (60, 50, 90, 80))
    new = coco(page)["annotations"][1]
    assert new["bbox"][0] + new["bbox"][2] > 61 or new["bbox"][1] + new["bbox"][3] > 51
    assert coco(page)["annotations"][0]["bbox"] == [x, y, width, height]


def test_an_object_that_is_something_else(page: Any, pictures: list[Path]) -> None:
    open_pictures(page, pictures[0])
    ask(page, PHRASE)
    ask(page, "cyst")
    names = [one[1] for one in objects(page)]
    page.click("#objects button")
    page.select_option("#phrase-of", "cyst")
    assert sorted(one[1] for one in objects(page)) == sorted([*names[1:], "cyst"])
    page.click("[data-tool=new]")
    page.select_option("#phrase-of", PHRASE)
    drag(page, (10, 10, 60, 50))
    assert [one[1] for one in objects(page)].count(PHRASE) == names.count(PHRASE)
    page.click("#undo")
    page.click("#undo")
    assert [one[1] for one in objects(page)] == names


def test_correcting_by_keys_alone(page: Any, pictures: list[Path]) -> None:
    open_pictures(page, pictures[0])
    page.keyboard.press("p")
    page.keyboard.type("thyr")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait(page)
    (before,) = coco(page)["annotations"]
    page.locator("#canvas").focus()
    page.keyboard.press("n")
    for key in ("ArrowLeft", "Enter", "Shift+ArrowDown", "Shift+ArrowRight", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    wait(page)
    assert len(coco(page)["annotations"]) == 2
    page.keyboard.press("Delete")
    assert coco(page)["annotations"] == [before]
    page.keyboard.press("?")
    assert page.is_visible("dialog#help") and page.is_visible("text=compare two models")
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog#help")


def test_saved_corrections_are_training_data(page: Any, pictures: list[Path], corrections: Path) -> None:
    open_pictures(page, *pictures[:2])
    ask(page, PHRASE)
    ask(page, "kidney cortex")
    while any(one[1] == "kidney cortex" for one in objects(page)):  # the model sees one, somebody does not
        page.click("#objects button:has-text('kidney cortex')")
        page.keyboard.press("Delete")
    assert "“kidney cortex” as not in this picture" in page.inner_text("#save-text")
    page.fill("#group", "case 7")
    page.click("#save")
    page.wait_for_selector("text=Saved. 1 picture saved so far.")
    shown = coco(page)["annotations"]
    (record,) = read_records(corrections / "train.CSV", corrections / "train", corrections / "train_mask")
    assert (record.group, record.absent_phrases) == ("case 7", ("kidney cortex",))
    assert [list(one.box_xywh) for one in record.instances] == [one["bbox"] for one in shown]
    assert np.array_equal(read_image(record.path), read_image(pictures[0]))
    assert "neck" not in (corrections / "train.CSV").read_text()
    page.click("#next")
    wait(page)
    page.fill("#group", "")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+s")
    page.wait_for_selector("text=2 pictures saved so far.")
    assert check_table(corrections / "val.CSV", corrections / "val", corrections / "val_mask", progress=False) == []


@pytest.mark.slow
def test_from_pictures_to_a_training_on_their_corrections(
    browser: Any, segmenter: Segmenter, pictures: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "corrections"
    app = create_app({"small": segmenter, "other": segmenter}, ServeSettings(corrections=folder))
    with served(app) as address, opened_page(browser, address) as page:
        open_pictures(page, *pictures)
        ask(page, PHRASE)
        page.click("#compare")
        wait(page)
        page.click("#compare")
        for number in (1, 2, 3):
            page.click("#objects button")
            x, y, width, height = coco(page)["annotations"][0]["bbox"]
            if number == 1:
                page.click("[data-tool=on]")
                click(page, x + width / 2, y + height / 2)
            else:
                page.click("[data-tool=box]")
                drag(page, (x, y, x + 0.8 * width, y + 0.8 * height))
            page.click("#save")
            page.wait_for_selector(f"text={number} picture")
            if number < 3:
                page.click("#next")
                wait(page)
    config = Path(__file__).parents[2] / "configs" / "small" / "train.yaml"
    options = ["training.num_epochs=1", f"training.output_dir={tmp_path / 'run'}", "data.num_workers=0"]
    arguments = ["--config", str(config), "--data", str(folder)]
    assert run(train_command, [*arguments, *(part for option in options for part in ("--set", option))]) == 0
    AcceleratorState._reset_state(reset_partial_state=True)
    note = json.loads((tmp_path / "run" / "best" / "training.json").read_text())
    assert (note["phrases"], note["datasets"]) == ([PHRASE], ["corrections"])
