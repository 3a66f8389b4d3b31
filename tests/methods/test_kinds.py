"""What a config says of its weights, all parts of the method together."""

from pathlib import Path
from typing import Any

import pytest

from gdinousam.errors import InputError
from gdinousam.experiments.config import (
    TestConfig as EvaluateConfig,  # pytest would collect a class that is named Test...
)
from gdinousam.records import WeightsKind

DETECTOR, HEAD = "IDEA-Research/grounding-dino-tiny", "facebook/sam2.1-hiera-large"
TRUTH = {"source": "truth"}


def config(**parts: Any) -> EvaluateConfig:
    tree = {
        "data": {"test_dir": "images", "test_ann": "test.CSV", "test_masks": "masks"},
        "evaluation": {"output_dir": "out", "method": "A"},
    }
    return EvaluateConfig.model_validate(tree | parts)


def judged_weights(of: EvaluateConfig) -> tuple[WeightsKind, bool]:
    return of.method.kind(of), of.method.is_reference()


@pytest.mark.parametrize(
    ("parts", "kind", "is_reference"),
    [
        ({"model": {"detector": DETECTOR, "mask_head": HEAD}}, "full", False),
        ({"model": {"detector": DETECTOR, "mask_head": "small"}}, "small", False),
        ({"model": {"detector": "random-small", "mask_head": HEAD}}, "random", False),
        ({"model": {"detector": "true-box", "mask_head": HEAD}}, "full", True),
        ({"model": {"detector": "whole-image", "mask_head": "random-small"}}, "random", True),
        ({"baseline": {"name": "samus", "weights": "random", "prompts": TRUTH}}, "random", False),
        ({"baseline": {"name": "medsam", "weights": "wanglab/medsam"}, "model": {"detector": "small"}}, "small", False),
        ({"baseline": {"name": "medsam", "weights": "random"}, "model": {"detector": "small"}}, "random", False),
    ],
)
def test_the_weakest_part_counts(parts: dict[str, Any], kind: WeightsKind, is_reference: bool) -> None:
    assert judged_weights(config(**parts)) == (kind, is_reference)


def test_universeg_is_small_as_published(tmp_path: Path) -> None:
    weights = tmp_path / "universeg.pt"
    weights.write_bytes(b"few")
    support = {"ann": "train.CSV", "images": "train", "masks": "train_mask"}
    given = {"name": "universeg", "weights": str(weights), "support": support}
    assert judged_weights(config(baseline=given)) == ("full", False)
    assert judged_weights(config(baseline=given | {"weights": "random-small"})) == ("random", False)


def test_kept_masks_are_what_their_evaluation_says(tmp_path: Path) -> None:
    masks = tmp_path / "results" / "masks"
    masks.mkdir(parents=True)
    scored = config(evaluation={"output_dir": "out", "method": "A", "predictions": str(masks)})
    assert judged_weights(scored) == ("unknown", False)  # of another program
    method = tmp_path / "results" / "method.json"
    method.write_text('{"method": "an earlier version"}')
    assert judged_weights(scored) == ("unknown", False)
    method.write_text('{"weights": "random", "reference": true}')
    assert judged_weights(scored) == ("random", True)
    method.write_text('{"weights": "huge"}')
    with pytest.raises(InputError, match=r"method.json: weights is 'huge'"):
        judged_weights(scored)
