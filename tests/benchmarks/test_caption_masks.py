"""Masks between the phrases of one caption: they part what they say they part."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.captions.masks import FusionByPhrase, best_scores, masks_command
from gdinousam.commands.common import run
from gdinousam.data.sources.phantoms.writing import write_phantoms
from gdinousam.models.bundled import SMALL
from gdinousam.models.detector.backbone import ImageFeatures
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.detector import Detector
from gdinousam.models.detector.fusion import ImageTextAttention
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import load_detector
from gdinousam.models.own_classes import give_own_classes
from gdinousam.preprocessing import ResizeSettings, build_resize, image_to_tensor, normalize_image
from gdinousam.records import Image

PHRASES = ("cyst", "benign lesion", "left kidney")
VARIANTS = [(fusion, decoder) for fusion in (False, True) for decoder in (False, True)]
SQUARE = ResizeSettings(size=96)


@pytest.fixture(scope="module")
def detector() -> Detector:
    # the bundled one: the fusion of a random one hardly changes an image
    detector = load_detector(SMALL).eval()
    attention = [layer.fusion_layer.attn for layer in detector.grounding_dino.model.encoder.layers]
    give_own_classes(attention, {ImageTextAttention: FusionByPhrase}, expected=len(attention))
    return detector


@pytest.fixture(scope="module")
def features(detector: Detector, phantom_images: list[Image]) -> ImageFeatures:
    with torch.no_grad():
        return detector.encode(normalize_image(build_resize(SQUARE)(image_to_tensor(phantom_images[0])))[None])


@torch.no_grad()
@pytest.mark.parametrize(("by_fusion", "by_decoder"), VARIANTS)
def test_nothing_is_parted_from_a_single_phrase(
    detector: Detector, features: ImageFeatures, by_fusion: bool, by_decoder: bool
) -> None:
    plain = best_scores(detector, features, ["benign lesion"], False, False)
    parted = best_scores(detector, features, ["benign lesion"], by_fusion, by_decoder)
    assert parted == pytest.approx(plain, abs=1e-5)


@torch.no_grad()
def test_each_mask_changes_the_scores_of_several_phrases(detector: Detector, features: ImageFeatures) -> None:
    found = [best_scores(detector, features, PHRASES, *variant) for variant in VARIANTS]
    assert all(len(scores) == len(PHRASES) for scores in found)
    pairs = [(one, other) for place, one in enumerate(found) for other in found[:place]]
    assert all(one != pytest.approx(other, abs=1e-5) for one, other in pairs)


@torch.no_grad()
def test_without_masks_they_are_the_scores_of_one_caption(
    detector: Detector, features: ImageFeatures, phantom_images: list[Image]
) -> None:
    # a phrase of one token, whose score is that token's
    settings = PredictionSettings(joint_caption=True, box_threshold=0.0, text_threshold=0.0)
    found = BoxFinder(detector, SQUARE, settings).find(phantom_images[:1], [PHRASES])[0]
    best = max(one.score for one in found if one.phrase == "cyst")
    assert best_scores(detector, features, PHRASES, False, False)[0] == pytest.approx(best, abs=1e-5)


@pytest.mark.slow
def test_the_command_measures_every_variant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_phantoms(tmp_path / "data", 0, 3, 0, families=("kidney",))
    arguments = [str(tmp_path / "data"), "--images", "2", "--phrases", "3", "--out", str(tmp_path / "out")]
    assert run(masks_command, arguments) == 0
    assert "both" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "caption-masks" / "caption-masks.json").read_text(encoding="utf-8"))
    assert [(one["num_present"], one["num_absent"]) for one in content["distances"]] == [(2, 4)] * 4
    assert all(one["present"] > 0 and one["absent"] > 0 for one in content["distances"])


@pytest.mark.parametrize("wrong", [["--phrases", "1"], ["--images", "0"], []])
def test_masks_that_cannot_be_measured_are_one_line(
    wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(masks_command, [str(tmp_path / "nowhere"), *wrong, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
