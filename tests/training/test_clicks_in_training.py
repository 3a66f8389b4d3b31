"""Training a mask head to be corrected: where its clicks fall, what it is shown and asked for, and that it learns."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from gdinousam.data.contract.reading import read_records
from gdinousam.data.dataset import Batch, Example, TrainingDataset, collate
from gdinousam.experiments.config import TrainConfig
from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.preprocessing import ResizeSettings
from gdinousam.training.corrections import (
    CorrectedForTraining,
    CorrectedMaskTask,
    CorrectionSettings,
    click_where,
)
from gdinousam.training.losses import means

BY_BOX = CorrectionSettings(clicks=2, by_click=0)


@pytest.fixture
def mask_head(small_mask_head: Path) -> Sam2MaskHead:
    head = load_mask_head(str(small_mask_head))
    assert isinstance(head, Sam2MaskHead)
    return head.requires_grad_(True)


@pytest.fixture
def batch(phantom_data: Path, mask_head: Sam2MaskHead) -> Batch:
    read = read_records(phantom_data / "train.CSV", phantom_data / "train", phantom_data / "train_mask")
    records = [one for one in read if one.instances][:3]
    dataset = TrainingDataset(records, ResizeSettings(size=mask_head.side), with_masks=True)
    return collate([dataset[index] for index in range(3)])


def test_clicks_fall_on_what_is_wanted_and_are_named_by_the_truth() -> None:
    truth = torch.zeros(2, 64, 64, dtype=torch.bool)
    truth[:, 10:30, 10:30] = True
    wanted = torch.zeros_like(truth)
    wanted[0, 20:24, 40:44] = True  # beside the object
    wanted[1, 25:28, 25:28] = True  # on it
    for _ in range(20):
        clicks = click_where(wanted, truth)
        assert clicks.points_xy.shape == (2, 1, 2)
        # pixels of the square, four for one of the low-resolution mask
        column, row = ((clicks.points_xy[:, 0] + 0.5) / 4).unbind(dim=1)
        assert all(40 <= x < 44 for x in column[:1]) and all(20 <= y < 24 for y in row[:1])
        assert 25 <= column[1] < 28 and 25 <= row[1] < 28
        assert clicks.labels.tolist() == [[0], [1]]


def test_where_nothing_is_wrong_the_click_is_on_the_object() -> None:
    truth = torch.zeros(1, 64, 64, dtype=torch.bool)
    truth[0, 5, 7] = True
    clicks = click_where(torch.zeros_like(truth), truth)
    assert clicks.points_xy.tolist() == [[[29.5, 21.5]]]
    assert clicks.labels.tolist() == [[1]]


def test_large_errors_are_clicked_rather_than_edges() -> None:
    wanted = torch.zeros(1, 64, 64, dtype=torch.bool)
    wanted[0, 0] = True  # 64 pixels of an edge
    wanted[0, 30:38, 30:38] = True  # 64 pixels of a spot
    torch.manual_seed(0)
    rows = [(click_where(wanted, wanted).points_xy[0, 0, 1] > 4).item() for _ in range(100)]
    assert sum(rows) > 85


def test_every_round_has_one_click_more(mask_head: Sam2MaskHead, batch: Batch) -> None:
    task = CorrectedMaskTask(mask_head, BY_BOX, box_jitter=0.1)
    task.model.train()
    num_objects = batch.num_boxes
    truth = torch.cat([one.masks for one in batch.examples if one.masks is not None]).float()
    images = torch.tensor([row for row, one in enumerate(batch.examples) for _ in one.boxes_cxcywh_norm])
    boxes = torch.tensor([[0.0, 0.0, 256.0, 256.0]]).expand(num_objects, 4)
    logits, quality = CorrectedForTraining(mask_head)(batch.pixel_values, images, boxes, truth, 2)
    assert logits.shape == (3, num_objects, mask_head.side, mask_head.side)
    assert quality.shape == (3, num_objects)
    assert not torch.equal(logits[0], logits[1]) and not torch.equal(logits[1], logits[2])
    by_click, _ = CorrectedForTraining(mask_head)(batch.pixel_values, images, None, truth, 1)
    assert by_click.shape[0] == 2


def test_validation_shows_boxes_alone_and_is_repeatable(mask_head: Sam2MaskHead, batch: Batch) -> None:
    task = CorrectedMaskTask(mask_head, CorrectionSettings(by_click=1.0), box_jitter=0.5)
    task.model.eval()
    with torch.no_grad():
        first, second = task.sums(task.model, batch), task.sums(task.model, batch)
    assert first == second
    task.model.train()
    with torch.no_grad():
        assert task.sums(task.model, batch)["mask_bce"] != first["mask_bce"]


def test_it_learns_from_boxes_and_clicks(mask_head: Sam2MaskHead, batch: Batch) -> None:
    torch.manual_seed(0)
    task = CorrectedMaskTask(mask_head, CorrectionSettings(clicks=1, by_click=0.5), box_jitter=0)
    task.model.train()
    optimizer = torch.optim.AdamW(mask_head.parameters(), lr=2e-3)
    losses = []
    for _ in range(16):
        loss = means(task.sums(task.model, batch), task.terms, task.counts(batch))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_a_batch_without_objects_has_a_gradient_of_nothing(mask_head: Sam2MaskHead, batch: Batch) -> None:
    one = batch.examples[0]
    side = mask_head.side
    empty = Example(
        one.pixel_values,
        torch.zeros(0, 4),
        (),
        torch.zeros(0, dtype=torch.long),
        torch.zeros(0, side, side, dtype=torch.bool),
    )
    task = CorrectedMaskTask(mask_head, BY_BOX, box_jitter=0.1)
    task.model.train()
    of_none = collate([empty])
    loss = means(task.sums(task.model, of_none), task.terms, task.counts(of_none))["loss"]
    loss.backward()
    assert loss == 0
    assert not any(p.grad.any() for p in mask_head.parameters() if p.grad is not None)


def test_corrections_are_for_plain_mask_heads(tmp_path: Path) -> None:
    config = {
        "data": {"train_dir": "i", "train_ann": "a", "val_dir": "i", "val_ann": "a"},
        "model": {"detector": "small"},
        "corrections": {},
        "training": {"output_dir": str(tmp_path / "run")},
    }
    with pytest.raises(ValidationError, match="corrections are for a mask head that hears no phrase"):
        TrainConfig.model_validate(config)
