"""The page, driven in a real browser: open, segment, choose, compare, take away."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest
from browser import (
    NARROW,
    PHRASE,
    WIDE,
    ask,
    coco,
    downloaded,
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
from gdinousam.data.contract.reading import read_records
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.data.sources.phantoms.clip_files import write_clips
from gdinousam.serving.app import create_app
from gdinousam.serving.settings import ServeSettings
from tests.dicom_files import region, write_dicom


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
    for threshold, number in ((0.02, 5), (0.1, 5), (0.02, 1), (0.99, 5)):
        page.locator("#threshold").fill(str(threshold))
        page.locator("#number").fill(str(number))
        wait(page)
        expected = segmenter.predict(pictures[0], PHRASE, threshold=threshold, max_detections=number)
        assert [one[2] for one in objects(page)] == [f"{one.score:.2f}" for one in expected.detections]
    assert len(asked) == 1 and asked[0].endswith("/v1/segment")
    assert page.is_visible("text=Nothing was found")
    page.click("text=Back to the model's own choice")
    assert len(objects(page)) == len(segmenter.predict(pictures[0], PHRASE).detections) and len(asked) == 1


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
