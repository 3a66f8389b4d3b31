"""Training a mask head that hears phrases: what it is shown and asked for, and that it learns to tell by name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from pydantic import ValidationError

from gdinousam.data.contract.reading import read_records
from gdinousam.data.dataset import Batch, Example, TrainingDataset, collate
from gdinousam.errors import InputError
from gdinousam.experiments.config import TrainConfig, load_config
from gdinousam.experiments.train import train
from gdinousam.methods.ours.learners import phrase_mask_head_learner
from gdinousam.models.loading import load_detector, load_mask_head
from gdinousam.models.mask_heads.phrase_prompt import PhraseMaskHead, PhraseReader
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.preprocessing import ResizeSettings
from gdinousam.training.phrase_masks import PhraseMaskTask, PhrasePromptSettings, overlaps
from gdinousam.training.settings import TrainingSettings

OWN = PhrasePromptSettings(detector="small", alone=False, detected=0, whole_image=0, unnamed=0)


@pytest.fixture
def mask_head(small_mask_head: Path, small_detector: Path) -> PhraseMaskHead:
    plain = load_mask_head(str(small_mask_head))
    assert isinstance(plain, Sam2MaskHead)
    head = PhraseMaskHead(plain.model, PhraseReader.of(load_detector(str(small_detector))))
    head.model.requires_grad_(True)
    return head


def task_of(mask_head: PhraseMaskHead, detector: Path, settings: PhrasePromptSettings) -> PhraseMaskTask:
    return PhraseMaskTask(mask_head, load_detector(str(detector)), 64, settings, box_jitter=0.1)


@pytest.fixture
def batch(phantom_data: Path, mask_head: PhraseMaskHead) -> Batch:
    """Three images, the first of two lesions."""
    read = read_records(phantom_data / "train.CSV", phantom_data / "train", phantom_data / "train_mask")
    records = sorted((one for one in read if one.instances), key=lambda one: -len(one.instances))[:3]
    assert len(records[0].instances) > 1
    dataset = TrainingDataset(records, ResizeSettings(size=mask_head.side), with_masks=True)
    return collate([dataset[index] for index in range(3)])


def with_phrases(batch: Batch, phrase: str) -> Batch:
    """The same with every object called this."""
    examples: Sequence[Example] = [
        replace(one, phrases=(phrase,), phrase_indices=torch.zeros_like(one.phrase_indices)) for one in batch.examples
    ]
    return Batch(batch.pixel_values, batch.pixel_mask, tuple(examples))


def test_own_boxes_are_shown_with_their_masks(mask_head: PhraseMaskHead, small_detector: Path, batch: Batch) -> None:
    task = task_of(mask_head, small_detector, OWN)
    task.model.train()
    shown = task.shown(batch)
    masks = torch.cat([one.masks for one in batch.examples if one.masks is not None]).float()
    assert torch.equal(shown.truth, masks)
    assert shown.images.tolist() == [row for row, one in enumerate(batch.examples) for _ in one.boxes_cxcywh_norm]
    names = [one.phrases[place] for one in batch.examples for place in one.phrase_indices.tolist()]
    assert shown.phrases == names
    x0, y0, x1, y1 = shown.boxes_xyxy.unbind(dim=1)
    inside = torch.stack([mask.nonzero().float().mean(dim=0) for mask in masks])  # (K, 2) y, x
    assert ((inside[:, 1] > x0) & (inside[:, 1] < x1) & (inside[:, 0] > y0) & (inside[:, 0] < y1)).all()


def test_a_whole_image_is_to_give_all_that_the_phrase_names(
    mask_head: PhraseMaskHead, small_detector: Path, batch: Batch
) -> None:
    task = task_of(mask_head, small_detector, OWN.model_copy(update={"whole_image": 1.0}))
    task.model.train()
    shown = task.shown(with_phrases(batch, "cyst"))
    assert (shown.boxes_xyxy == torch.tensor([0.0, 0.0, mask_head.side, mask_head.side])).all()
    masks = batch.examples[0].masks
    assert masks is not None and torch.equal(shown.truth[0], masks.any(dim=0).float())
    assert torch.equal(shown.truth[0], shown.truth[1])


def test_a_box_of_the_detector_is_to_give_the_nearest_object(
    mask_head: PhraseMaskHead, small_detector: Path, batch: Batch
) -> None:
    task = task_of(mask_head, small_detector, OWN.model_copy(update={"detected": 1.0}))
    task.model.eval()
    shown = task.shown(with_phrases(batch, "cyst"))
    boxes_of_first = shown.boxes_xyxy[shown.images == 0]
    assert torch.equal(boxes_of_first[0], boxes_of_first[1])  # the best box of the phrase, of both objects
    masks = batch.examples[0].masks
    assert masks is not None
    assert any(torch.equal(shown.truth[0], mask.float()) for mask in masks)
    assert torch.equal(shown.truth[0], shown.truth[1])


def test_without_objects_nothing_is_lost(mask_head: PhraseMaskHead, small_detector: Path, batch: Batch) -> None:
    task = task_of(mask_head, small_detector, OWN)
    one = batch.examples[0]
    assert one.masks is not None
    nothing = replace(one, boxes_cxcywh_norm=torch.zeros(0, 4), phrase_indices=torch.arange(0), masks=one.masks[:0])
    terms = task.losses(collate([nothing]))
    terms["loss"].backward()
    assert float(terms["loss"].detach()) == 0


def test_of_what_is_absent_no_overlap_is_expected(
    mask_head: PhraseMaskHead, small_detector: Path, batch: Batch
) -> None:
    task = task_of(mask_head, small_detector, OWN)
    task.model.eval()
    asked = [replace(one, phrases=(*one.phrases, "prostate")) for one in batch.examples]
    shown = task.shown(collate(asked))
    num_objects = batch.num_boxes
    assert len(shown.truth) == num_objects
    assert shown.phrases[num_objects:] == ["prostate"] * 3 and shown.images[num_objects:].tolist() == [0, 1, 2]
    with torch.no_grad():
        _, quality = task.model(batch.pixel_values, shown.images, shown.boxes_xyxy, shown.phrases)
        with_absent, without = (task.sums(task.model, one) for one in (collate(asked), batch))
    squares = float(quality[num_objects:].square().sum())
    assert float(with_absent["mask_quality"] - without["mask_quality"]) == pytest.approx(squares, rel=1e-4)
    assert float(with_absent["mask_dice"]) == pytest.approx(float(without["mask_dice"]), rel=1e-4)


def test_phrases_may_be_kept_back(mask_head: PhraseMaskHead, small_detector: Path, batch: Batch) -> None:
    task = task_of(mask_head, small_detector, OWN.model_copy(update={"unnamed": 1.0}))
    task.model.train()
    assert set(task.shown(batch).phrases) == {""}


def test_overlaps() -> None:
    masks, truth = torch.zeros(2, 3, 2, 2, dtype=torch.bool)
    masks[0, 0] = masks[1] = truth[1, 0] = truth[0, 0] = True
    assert overlaps(masks, truth).tolist() == [1.0, 0.5, 0.0]


@pytest.mark.parametrize(("alone", "trained"), [(True, ("prompt.",)), (False, ("prompt.", "model."))])
def test_what_is_trained(small_mask_head: Path, small_detector: Path, alone: bool, trained: tuple[str, ...]) -> None:
    settings = PhrasePromptSettings(detector=str(small_detector), alone=alone)
    training = TrainingSettings(output_dir=Path("run"), part="mask_head", tune="full")
    task = phrase_mask_head_learner(str(small_mask_head), settings, training).task
    assert isinstance(task, PhraseMaskTask)
    for name, parameter in task.mask_head.named_parameters():
        assert parameter.requires_grad == name.startswith(trained), name


def test_it_learns_to_tell_by_name(batch: Batch) -> None:
    """Two halves of the same box, told apart by their phrase alone."""
    plain = load_mask_head("small")
    assert isinstance(plain, Sam2MaskHead)
    mask_head = PhraseMaskHead(plain.model, PhraseReader.of(load_detector("small")))
    mask_head.model.requires_grad_(True)
    task = PhraseMaskTask(mask_head, load_detector("small"), 192, OWN, box_jitter=0.0)
    side = mask_head.side
    halves = torch.zeros(2, side, side, dtype=torch.bool)
    halves[0, side // 4 : side // 2, side // 4 : -side // 4] = True
    halves[1, side // 2 : -side // 4, side // 4 : -side // 4] = True
    example = replace(
        batch.examples[0],
        boxes_cxcywh_norm=torch.full((2, 4), 0.5),
        phrases=("kidney capsule", "kidney cortex"),
        phrase_indices=torch.arange(2),
        masks=halves,
    )
    task.model.train()
    optimizer = torch.optim.AdamW([p for p in task.model.parameters() if p.requires_grad], lr=6e-4)
    losses = []
    for _ in range(40):
        terms = task.losses(collate([example]))
        losses.append(float(terms["mask_dice"].detach()))
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
    assert losses[0] > 0.3 and losses[-1] < 0.1


@pytest.fixture
def tree(tmp_path: Path, phantom_data: Path) -> dict[str, object]:
    return {
        "data": {
            **{f"{split}_dir": f"{phantom_data}/{split}" for split in ("train", "val")},
            **{f"{split}_ann": f"{phantom_data}/{split}.CSV" for split in ("train", "val")},
            **{f"{split}_masks": f"{phantom_data}/{split}_mask" for split in ("train", "val")},
            "num_workers": 0,
            "max_images": 4,
        },
        "model": {"mask_head": "random-small"},
        "phrase_prompt": {"detector": "small", "alone": False},
        "training": {
            "part": "mask_head",
            "tune": "full",
            "num_epochs": 1,
            "output_dir": str(tmp_path / "run"),
            "average_decay": 0.9,
            "device": "cpu",
        },
    }


def config_of(tree: dict[str, object], folder: Path) -> TrainConfig:
    file = folder / "train.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_config(TrainConfig, file)


def test_a_run_leaves_a_mask_head_that_hears(tree: dict[str, object], tmp_path: Path) -> None:
    train(config_of(tree, tmp_path))
    AcceleratorState._reset_state(reset_partial_state=True)
    loaded = load_mask_head(str(tmp_path / "run"))
    assert isinstance(loaded, PhraseMaskHead)
    assert loaded.prompt.last.weight.any()


def test_settings_that_do_not_fit(tree: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="at most 1"):
        PhrasePromptSettings(detector="small", detected=0.7, whole_image=0.4)
    detector = {"part": "detector", "output_dir": "run", "tune": "full"}
    with pytest.raises(InputError, match="phrase_prompt is for the mask head"):
        config_of({**tree, "training": detector, "model": {"detector": "small"}}, tmp_path)
