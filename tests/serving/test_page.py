"""The page, driven in a real browser: open, segment, correct by clicks and boxes, compare, take away, save."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest
from accelerate.state import AcceleratorState
from browser import (
    NARROW,
    WIDE,
    ask,
    chromium,
    click,
    drag,
    drop,
    objects,
    open_pictures,
    opened_page,
    shown_pixels,
    wait,
)
from served import served

from gdinousam import Segmenter
from gdinousam.commands.common import run
from gdinousam.commands.train import train_command
from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_image
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.data.sources.phantoms.clip_files import write_clips
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings
from tests.dicom_files import region, write_dicom

PHRASE = "thyroid nodule"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three phantoms of a thyroid, in a folder with a text file."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"neck{number}.png" for number in (1, 2, 10)]
    for path, seed in zip(paths, (1, 3, 5), strict=True):
        PIL.Image.fromarray(make_phantom(np.random.default_rng(seed), family="thyroid").image).save(path)
    (folder / "notes.txt").write_text("no picture")
    return paths


@pytest.fixture(scope="module")
def corrections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="module")
def site(segmenter: Segmenter, corrections: Path) -> Iterator[str]:
    """A server of the same model under two names, which takes corrections."""
    settings = ServeSettings(corrections=corrections)
    with served(create_app({"small": segmenter, "other": segmenter}, settings)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared_page(browser: Any, site: str) -> Iterator[Any]:
    with opened_page(browser, site) as page:
        yield page


@pytest.fixture
def page(shared_page: Any, site: str) -> Any:
    """The page as it is when it is opened."""
    shared_page.goto(site)
    shared_page.wait_for_selector("body[data-ready]")
    return shared_page


def downloaded(page: Any, form: str) -> bytes:
    with page.expect_download() as caught:
        page.click(f"[data-form={form}]")
    return Path(caught.value.path()).read_bytes()


def coco(page: Any) -> Any:
    return json.loads(downloaded(page, "coco"))


def test_it_finds_what_python_finds(page: Any, pictures: list[Path], segmenter: Segmenter) -> None:
    assert page.is_visible("text=Drop an ultrasound picture here") and page.is_visible("text=Not for diagnosis")
    open_pictures(page, pictures[0])
    before = shown_pixels(page)
    ask(page, PHRASE)
    expected = segmenter.predict(pictures[0], PHRASE)
    (found,) = expected.detections
    (size,) = expected.measurements()
    size_text = f"{size.longest_diameter:.0f} \u00d7 {size.perpendicular_diameter:.0f} px · {size.area:,.0f} px²"
    assert objects(page) == [["1", PHRASE, f"{found.score:.2f}", size_text]]
    assert (shown_pixels(page) != before).any()
    made = coco(page)
    assert made["images"][0]["file_name"] == "neck1.png"
    assert made["annotations"][0]["segmentation"] == expected.to_coco()["annotations"][0]["segmentation"]
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "csv").decode())))
    assert [(row["image"], row["phrase"]) for row in rows] == [("neck1.png", PHRASE)]
    archive = zipfile.ZipFile(io.BytesIO(downloaded(page, "masks")))
    mask_hw = np.asarray(PIL.Image.open(archive.open("neck1_thyroid_nodule.png")))
    assert np.array_equal(mask_hw > 0, found.mask_hw)


def test_the_example(page: Any) -> None:
    page.click("#example")
    page.wait_for_selector("#objects button")
    wait(page)
    assert page.inner_text("#file-text").startswith("example.png") and objects(page)[0][1] == PHRASE


def test_the_sliders_ask_once_and_agree_with_python(page: Any, pictures: list[Path], segmenter: Segmenter) -> None:
    open_pictures(page, pictures[0])
    ask(page, PHRASE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for threshold, number in ((0.02, 5), (0.1, 5), (0.02, 1), (0.9, 5)):
        page.locator("#threshold").fill(str(threshold))
        page.locator("#number").fill(str(number))
        wait(page)
        expected = segmenter.predict(pictures[0], PHRASE, threshold=threshold, max_detections=number)
        assert [one[2] for one in objects(page)] == [f"{one.score:.2f}" for one in expected.detections]
    assert len(asked) == 1 and asked[0].endswith("/v1/segment")
    assert page.is_visible("text=Nothing was found")
    page.click("text=Back to the model's own choice")
    assert len(objects(page)) == len(segmenter.predict(pictures[0], PHRASE).detections) and len(asked) == 1


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


def test_a_folder_with_the_phrase_kept(page: Any, pictures: list[Path], segmenter: Segmenter) -> None:
    page.set_input_files("#folder-input", str(pictures[0].parent))
    page.wait_for_selector("#canvas")
    wait(page)
    ask(page, PHRASE)
    page.keyboard.press("Escape")  # leaves the field of the phrase
    seen = []
    for place, path in enumerate(pictures):
        assert page.inner_text("#file-text").startswith(f"{place + 1} of 3 · {path.name}")
        expected = segmenter.predict(path, PHRASE)
        assert [one[2] for one in objects(page)] == [f"{one.score:.2f}" for one in expected.detections]
        seen.append(len(expected.detections))
        page.keyboard.press("]")
        wait(page)
    page.check("#all")
    made = coco(page)
    assert [one["file_name"] for one in made["images"]] == [path.name for path in pictures]
    assert len(made["annotations"]) == sum(seen)
    page.click("#previous")
    wait(page)
    assert page.inner_text("#file-text").startswith("2 of 3")


def test_two_models_side_by_side(page: Any, pictures: list[Path]) -> None:
    open_pictures(page, pictures[0])
    ask(page, PHRASE)
    page.click("#compare")
    wait(page)
    assert page.inner_text("#pane-name") == "small" and page.inner_text("#other-name") == "other"
    assert page.inner_text("#agreement") == f"{PHRASE}: overlap (Dice) 1.00"
    page.click("#objects button")
    page.keyboard.press("r")
    box = coco(page)["annotations"][0]["bbox"]
    page.keyboard.press("c")
    drag(page, (box[0], box[1], box[0] + box[2] / 2, box[1] + box[3] / 2))
    page.keyboard.press("c")
    wait(page)
    assert float(page.inner_text("#agreement").rpartition(" ")[2]) < 0.95
    page.select_option("#model", "other")
    wait(page)
    assert page.input_value("#other") == "small"


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


def test_errors_are_told_and_can_be_tried_again(page: Any, pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(pictures[0].read_bytes()[:300])
    page.set_input_files("#file-input", str(tmp_path / "broken.png"))
    page.wait_for_selector("#message")
    assert "cannot be taken" in page.inner_text("#message-text") or "no kind" in page.inner_text("#message-text")
    page.click("#dismiss")
    assert not page.is_visible("#message")
    open_pictures(page, pictures[0])
    page.route("**/v1/segment", lambda route: route.abort())
    ask(page, PHRASE)
    assert page.inner_text("#message-text").startswith("The server does not answer")
    page.unroute("**/v1/segment")
    page.click("#retry")
    page.wait_for_selector("#objects button")
    assert not page.is_visible("#message")


def test_a_dicom_picture_is_measured_in_mm(page: Any, segmenter: Segmenter, tmp_path: Path) -> None:
    image = make_phantom(np.random.default_rng(1), family="thyroid").image
    regions = [region(0, 0, image.shape[1] - 1, image.shape[0] - 1)]
    path = write_dicom(tmp_path / "IM_0001", image[:, :, 0], SequenceOfUltrasoundRegions=regions)
    drop(page, path)
    ask(page, PHRASE)
    (size,) = segmenter.predict(path, PHRASE).measurements()
    text = f"{size.longest_diameter:.1f} \u00d7 {size.perpendicular_diameter:.1f} mm · {size.area:,.1f} mm²"
    assert [one[3] for one in objects(page)] == [text] and size.unit == "mm"


def test_a_clip_frame_by_frame(page: Any, site: str, corrections: Path, tmp_path: Path) -> None:
    write_clips(tmp_path / "clips", 1, 4, families=["thyroid"])
    open_pictures(page, tmp_path / "clips" / "clip_000.avi")
    ask(page, PHRASE)
    assert page.inner_text("#frame-text") == "1 / 4" and "Segment the clip" in page.inner_text("#no-objects")
    page.click("#follow")
    page.locator("#frame").fill("1")  # looking at frames does not stop it
    page.wait_for_selector("text=2 / 4")
    page.locator("#frame").fill("0")
    page.wait_for_selector("#objects button")
    wait(page)
    first = coco(page)["annotations"]
    assert objects(page)[0][3].endswith("object 1")
    page.locator("#frame").fill("2")
    page.wait_for_selector("text=3 / 4")
    wait(page)
    third = coco(page)["annotations"]
    assert len(third) >= 1 and third != first
    page.keyboard.press("n")
    drag(page, (10, 10, 60, 50))
    assert len(objects(page)) == len(third) + 1
    before = httpx.get(f"{site}/v1/corrections").json()["num_images"]
    page.click("#save")
    page.wait_for_selector(f"text=Saved. {before + 1} picture")
    page.locator("#frame").fill("0")
    page.wait_for_selector("text=1 / 4")
    assert coco(page)["annotations"] == first
    cases = [
        record.group
        for split in ("train", "val")
        if (corrections / f"{split}.CSV").is_file()
        for record in read_records(corrections / f"{split}.CSV", corrections / split)
    ]
    assert sum((case or "").startswith("clip ") for case in cases) == 1


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_is_wider_than_the_screen(page: Any, pictures: list[Path], size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    try:
        for step in (
            lambda: None,
            lambda: open_pictures(page, *pictures),
            lambda: ask(page, "malignant breast lesion"),
        ):
            step()
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        small = [
            button
            for button in page.locator("button:visible").all()
            if min((button.bounding_box() or {})[side] for side in ("width", "height")) < 24
        ]
        assert [button.inner_text() for button in small] == []  # WCAG 2.5.8
    finally:
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


def test_a_server_that_asks_for_a_token_and_keeps_nothing(
    browser: Any, segmenter: Segmenter, pictures: list[Path]
) -> None:
    token = "a token of the test"
    with served(create_app({"small": segmenter}, ServeSettings.model_validate({"token": token}))) as address:
        assert httpx.get(f"{address}/v1/models").status_code == 401
        with opened_page(browser, address, tokens=("wrong", token)) as page:
            assert page.is_disabled("#compare")
            assert "start the server with --corrections FOLDER" in page.inner_text("#save-text")
            open_pictures(page, pictures[0])
            ask(page, PHRASE)
            assert len(objects(page)) == 1


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
