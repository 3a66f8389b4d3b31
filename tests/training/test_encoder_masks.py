"""Dense supervision of the encoder: which positions are whose, what is wanted of them, and that it teaches."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from gdinousam.data.contract.reading import read_records
from gdinousam.data.dataset import Batch, Example, TrainingDataset, collate
from gdinousam.experiments.config import TrainConfig
from gdinousam.models.loading import load_detector
from gdinousam.preprocessing import ResizeSettings
from gdinousam.training.encoder_masks import encoder_mask_sums, level_sides
from gdinousam.training.losses import means
from gdinousam.training.settings import LossSettings
from gdinousam.training.tasks import DetectorTask

SIDE = 64
SIDES = (8, 4, 2)


def example_of(masks: torch.Tensor, phrases: tuple[str, ...], indices: list[int]) -> Example:
    boxes = torch.full((len(masks), 4), 0.5)
    return Example(torch.zeros(3, SIDE, SIDE), boxes, phrases, torch.tensor(indices, dtype=torch.long), masks)


def left_half() -> torch.Tensor:
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[:, : SIDE // 2] = True
    return mask


def perfect_logits(columns_on: float, columns_off: float) -> torch.Tensor:
    """(L, 1): sure of the left half on every level."""
    levels = []
    for side in SIDES:
        level = torch.full((side, side), columns_off)
        level[:, : side // 2] = columns_on
        levels.append(level.flatten())
    return torch.cat(levels)[:, None]


@pytest.mark.parametrize(
    ("side", "num_positions", "expected"),
    [
        (224, 1029, [(0, 28), (784, 14), (980, 7)]),
        (800, 13294, [(0, 100), (10000, 50), (12500, 25), (13125, 13)]),
        (60, 80, [(0, 8), (64, 4)]),
    ],
)
def test_levels_have_these_sides(side: int, num_positions: int, expected: list[tuple[int, int]]) -> None:
    assert list(level_sides(side, num_positions)) == expected


def test_positions_of_other_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="83 positions are not those of levels of a square of 64 pixels"):
        list(level_sides(SIDE, 83))


def test_sure_and_right_costs_little_and_sure_and_wrong_much() -> None:
    example = example_of(left_half()[None], ("cyst",), [0])
    tokens = [torch.ones(1, 1, dtype=torch.bool)]
    right = encoder_mask_sums(perfect_logits(9, -9)[None], tokens, [example])
    wrong = encoder_mask_sums(perfect_logits(-9, 9)[None], tokens, [example])
    # the border of the two halves lies between two positions of every level, and is blurred there alone
    assert right["mask_dice"] < 0.1 < 0.9 < wrong["mask_dice"]
    assert right["mask_bce"] < 0.3 < 7 < wrong["mask_bce"]


def test_an_absent_phrase_is_taught_to_be_nowhere() -> None:
    example = example_of(left_half()[None], ("cyst", "thyroid nodule"), [0])
    tokens = [torch.eye(2, dtype=torch.bool)]
    nowhere = torch.full((1, 84, 1), -9.0)
    silent = encoder_mask_sums(torch.cat([perfect_logits(9, -9)[None], nowhere], dim=2), tokens, [example])
    loud = encoder_mask_sums(torch.cat([perfect_logits(9, -9)[None], -nowhere], dim=2), tokens, [example])
    assert loud["mask_bce"] - silent["mask_bce"] == pytest.approx(9, abs=0.01)


def test_the_objects_of_a_phrase_count_together() -> None:
    mask = left_half()
    upper, lower = mask.clone(), mask.clone()
    upper[SIDE // 2 :] = False
    lower[: SIDE // 2] = False
    tokens = [torch.ones(1, 1, dtype=torch.bool)]
    logits = torch.randn(1, 84, 1, generator=torch.Generator().manual_seed(0))
    one = encoder_mask_sums(logits, tokens, [example_of(mask[None], ("cyst",), [0])])
    two = encoder_mask_sums(logits, tokens, [example_of(torch.stack([upper, lower]), ("cyst",), [0, 0])])
    assert one == two


def test_a_phrase_is_the_mean_of_its_tokens_and_padding_says_nothing() -> None:
    example = example_of(left_half()[None], ("cyst",), [0])
    logits = torch.randn(1, 84, 2, generator=torch.Generator().manual_seed(0))
    of_two = encoder_mask_sums(logits, [torch.ones(1, 2, dtype=torch.bool)], [example])
    of_mean = encoder_mask_sums(logits.mean(dim=2, keepdim=True), [torch.ones(1, 1, dtype=torch.bool)], [example])
    padded = torch.cat([logits, torch.full((1, 84, 1), -torch.inf)], dim=2)
    of_padded = encoder_mask_sums(padded, [torch.ones(1, 2, dtype=torch.bool)], [example])
    for name in of_two:
        assert of_two[name].item() == pytest.approx(of_mean[name].item(), rel=1e-5)
        assert of_two[name] == of_padded[name]


def test_the_detector_learns_from_it(small_detector: Path, phantom_data: Path) -> None:
    records = read_records(phantom_data / "train.CSV", phantom_data / "train", phantom_data / "train_mask")[:4]
    resize = ResizeSettings(size=SIDE)
    dataset = TrainingDataset(records, resize, with_masks=True)
    batch: Batch = collate([dataset[index] for index in range(4)])
    detector = load_detector(str(small_detector)).requires_grad_(True).train()
    settings = LossSettings(focal=0, l1=0, giou=0, encoder_masks=1.0)
    task = DetectorTask(detector, settings, resize)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        sums = task.sums(detector, batch)
        loss = means(sums, task.terms, task.counts(batch))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert any(one.grad is not None and one.grad.any() for one in detector.image_encoder.parameters())


def test_without_masks_or_squares_it_is_refused(tmp_path: Path) -> None:
    config = {
        "data": {"train_dir": "i", "train_ann": "a", "val_dir": "i", "val_ann": "a"},
        "model": {"detector": "small"},
        "losses": {"encoder_masks": 1.0},
        "training": {"output_dir": str(tmp_path / "run")},
    }
    with pytest.raises(ValidationError, match=r"losses.encoder_masks learns from masks; name their folder in data"):
        TrainConfig.model_validate(config)
    config["data"] |= {"train_masks": "m", "val_masks": "m"}
    with pytest.raises(ValidationError, match="takes square images"):
        TrainConfig.model_validate(config | {"resize": {"mode": "shortest_edge"}})
    assert TrainConfig.model_validate(config).needs_masks
