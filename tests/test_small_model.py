"""The bundled small model: found by name, small enough, segments phantoms and real images, batch equals single."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from gdinousam.assets import ASSETS
from gdinousam.commands.common import run
from gdinousam.commands.predict import predict_command
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_image, union_mask
from gdinousam.data.sources.phantoms import VARIED, make_phantom
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.metrics import dice
from gdinousam.models.adapters.base_note import BASE_NOTE, weights_sha256
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.bundled import BUNDLED, SMALL, SMALL_V1
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import (
    RANDOM_SMALL,
    base_name,
    detector_and_adapter,
    load_detector,
    load_grounding_dino,
    load_mask_head,
    trained_resize,
)
from gdinousam.models.mask_heads.random_sam import RANDOM
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Mask
from gdinousam.settings import OWN_MODEL_NAMES, TRUE_BOX, WHOLE_IMAGE
from gdinousam.training.settings import LossSettings
from gdinousam.training.tasks import DetectorTask

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "small" / "test.yaml"
MAX_BYTES = 30e6  # so that the package stays quick to install
NUM_PHANTOMS = 16
SIZE = 256  # what its detector sees


@pytest.fixture(scope="module")
def segmenter() -> TextSegmenter:
    return load_segmenter(SMALL, SMALL)


@pytest.fixture(scope="module")
def nodules() -> list[tuple[np.ndarray, Mask]]:
    """Thyroid phantoms with exactly one nodule, image and mask, drawn by seeds that pretraining never drew."""
    drawn = (make_phantom(np.random.default_rng([2, seed]), VARIED, "thyroid") for seed in range(60))
    single = [(one.image, one.instances[0][1]) for one in drawn if len(one.instances) == 1]
    return single[:NUM_PHANTOMS]


def test_own_names_are_those_that_settings_leave_alone() -> None:
    assert set(OWN_MODEL_NAMES) == {SMALL, SMALL_V1, RANDOM, RANDOM_SMALL, TRUE_BOX, WHOLE_IMAGE}


@pytest.mark.parametrize("name", BUNDLED)
def test_it_is_small_and_says_what_it_is(name: str) -> None:
    folder = ASSETS / name.replace("-", "_")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MAX_BYTES
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "not for diagnosis" in card.lower() and "overview_strict" in card


def test_an_adapter_on_it_names_it_as_base_on_any_machine(tmp_path: Path) -> None:
    model, tokenizer = load_grounding_dino(SMALL)
    assert model.dtype == torch.float32
    detector = Detector(add_lora(model, LoraSettings(rank=2)), tokenizer)
    DetectorTask(detector, LossSettings(), ResizeSettings(size=SIZE), base=base_name(SMALL)).save(tmp_path)
    assert json.loads((tmp_path / BASE_NOTE).read_text())["name"] == SMALL
    assert detector_and_adapter(tmp_path) == (SMALL, tmp_path)
    assert tokenizer("thyroid nodule.")["input_ids"][-2] == 1012
    assert trained_resize(SMALL).size == SIZE


def test_an_adapter_of_the_first_edition_which_was_called_small_then_goes_on_that(tmp_path: Path) -> None:
    model, tokenizer = load_grounding_dino(SMALL_V1)
    detector = Detector(add_lora(model, LoraSettings(rank=2)), tokenizer)
    DetectorTask(detector, LossSettings(), ResizeSettings(size=192), base=base_name(SMALL)).save(tmp_path)
    assert json.loads((tmp_path / BASE_NOTE).read_text())["name"] == SMALL
    assert detector_and_adapter(tmp_path) == (SMALL_V1, tmp_path)
    load_detector(*detector_and_adapter(tmp_path))  # refuses an adapter on another base
    with pytest.raises(InputError, match=r"; name small-v1 as the detector and its mask head$"):
        load_detector(RANDOM_SMALL, tmp_path)


def test_its_name_wins_over_a_folder_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / SMALL).mkdir()
    (tmp_path / SMALL / "adapter_config.json").write_text("{}")
    expected = weights_sha256(load_detector(SMALL).grounding_dino)
    monkeypatch.chdir(tmp_path)
    assert weights_sha256(load_detector(SMALL).grounding_dino) == expected
    assert trained_resize(SMALL).size == SIZE


def test_phrases_find_what_they_name_on_phantoms(segmenter: TextSegmenter, nodules: list) -> None:
    found = segmenter.segment([image for image, _ in nodules], [["thyroid nodule"]] * len(nodules))
    scores = [dice(row[0].mask_hw, mask) if row else 0.0 for row, (_, mask) in zip(found, nodules, strict=True)]
    assert np.mean(scores) > 0.55  # small nodules are missed


def test_its_mask_head_follows_the_box_that_it_is_given(nodules: list) -> None:
    head = load_mask_head(SMALL)
    scores = []
    for image, mask in nodules:
        rows, columns = np.nonzero(mask)
        box = torch.tensor([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], dtype=torch.float32)
        scores.append(dice(head.masks_in_boxes([image], [box])[0][0], mask))
    assert np.mean(scores) > 0.85


def test_a_batch_gives_what_single_images_give(segmenter: TextSegmenter, nodules: list) -> None:
    images, asked = [image for image, _ in nodules[:5]], [["thyroid nodule", "prostate"]] * 5
    together = segmenter.segment(images, asked)
    alone = [segmenter.segment([image], [phrases])[0] for image, phrases in zip(images, asked, strict=True)]
    for row, expected in zip(together, alone, strict=True):
        assert [one.phrase for one in row] == [one.phrase for one in expected]
        for one, other in zip(row, expected, strict=True):
            np.testing.assert_allclose(one.box_xyxy, other.box_xyxy, atol=0.01)
            assert (one.mask_hw != other.mask_hw).mean() < 1e-3


def test_predict_writes_a_mask_without_any_weights_but_the_bundled_ones(
    tmp_path: Path, nodules: list, capsys: pytest.CaptureFixture[str]
) -> None:
    image, mask = max(nodules, key=lambda one: one[1].sum())
    PILImage.fromarray(image).save(tmp_path / "neck.png")
    arguments = [str(tmp_path / "neck.png"), "--prompt", "thyroid nodule", "--config", str(CONFIG)]
    assert run(predict_command, [*arguments, "--output", str(tmp_path / "out")]) == 0
    assert "thyroid nodule: score" in capsys.readouterr().out
    with PILImage.open(tmp_path / "out" / "neck_thyroid_nodule.png") as written:
        assert dice(np.asarray(written) > 0, mask) > 0.5


@pytest.mark.real_data
@pytest.mark.slow
def test_phrases_find_what_they_name_on_real_images(segmenter: TextSegmenter) -> None:
    folder = ROOT.parent / "shared" / "data" / "multimodal-data"
    if not folder.is_dir():
        pytest.skip("the folder of real images is not there")
    records = read_records(folder / "val.CSV", folder / "val", folder / "val_mask")[::12]
    found = segmenter.segment([read_image(one.path) for one in records], [one.phrases for one in records])
    scores = []
    for record, row in zip(records, found, strict=True):
        truth = union_mask(record.instances, (record.height, record.width))
        scores.append(dice(row[0].mask_hw, truth) if row else 0.0)
    assert len(scores) > 50 and np.mean(scores) > 0.55
