"""What is trained: losses of real batches, images without objects included, and weights that come back as saved."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gdinousam.data.caption_phrases import AbsentPhrases, AbsentPhraseSettings, CaptionRules
from gdinousam.data.contract.reading import read_records
from gdinousam.data.dataset import Batch, TrainingDataset, collate
from gdinousam.data.sources.phantoms import LESION_KINDS
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import base_name, load_detector, load_grounding_dino, load_mask_head, trained_resize
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.phrase_book import read_phrase_book
from gdinousam.preprocessing import ResizeSettings
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.records import ImageRecord
from gdinousam.runtime import torch_seed
from gdinousam.training.settings import LossSettings
from gdinousam.training.tasks import DetectorTask, MaskHeadTask, Task, to_device

RESIZE = ResizeSettings(size=96)
ALL_LAYERS = LossSettings(earlier_layers=True, encoder_matches=2)


@pytest.fixture(scope="module")
def records(phantom_data: Path) -> list[ImageRecord]:
    """Three images: of two lesions, of one, and of none."""
    read = read_records(phantom_data / "train.CSV", phantom_data / "train", phantom_data / "train_mask")
    two = next(record for record in read if len(record.instances) == 2)
    one = next(record for record in read if len(record.instances) == 1)
    return [two, one, replace(one, instances=(), absent_phrases=one.phrases)]


def batch_of(records: Sequence[ImageRecord], resize: ResizeSettings = RESIZE, **options: Any) -> Batch:
    phrases = [kind.phrase for kind in LESION_KINDS]
    absent = AbsentPhrases(AbsentPhraseSettings(beside=1, alone=0), read_phrase_book(), phrases)
    dataset = TrainingDataset(records, resize, captions=CaptionRules(absent=absent), **options)
    return collate([dataset[index] for index in range(len(dataset))])


def mask_batch_of(records: Sequence[ImageRecord], task: MaskHeadTask) -> Batch:
    return batch_of(records, ResizeSettings(size=task.mask_head.side), with_masks=True)


def lora_task(folder: Path, settings: LossSettings) -> DetectorTask:
    model, tokenizer = load_grounding_dino(str(folder))
    with torch_seed(1):
        detector = Detector(add_lora(model, LoraSettings(rank=2)), tokenizer)
    return DetectorTask(detector, settings, RESIZE, base=base_name(str(folder)))


def full_task(folder: Path, settings: LossSettings) -> DetectorTask:
    model, tokenizer = load_grounding_dino(str(folder))
    return DetectorTask(Detector(model.requires_grad_(True), tokenizer), settings, RESIZE)


@pytest.fixture
def mask_head_task(small_mask_head: Path) -> MaskHeadTask:
    mask_head = Sam2MaskHead(load_mask_head(str(small_mask_head)).model.requires_grad_(True))
    return MaskHeadTask(mask_head, box_jitter=0.1)


def losses_of(task: Task, batch: Batch) -> dict[str, float]:
    """The losses in eval mode."""
    task.model.eval()
    with torch.no_grad():
        return {name: float(value) for name, value in task.losses(batch).items()}


def sums_of(task: Task, batch: Batch) -> dict[str, float]:
    """The sums of the terms in eval mode."""
    task.model.eval()
    with torch.no_grad():
        return {name: float(value) for name, value in task.sums(task.model, batch).items()}


def gradients_of(task: Task, batch: Batch) -> dict[str, torch.Tensor]:
    """Gradients of one batch in training mode; a parameter that the loss does not reach is left out."""
    task.model.train()
    terms = task.losses(batch)
    assert all(term.ndim == 0 and term.isfinite() for term in terms.values())
    terms["loss"].backward()
    return {name: p.grad for name, p in task.model.named_parameters() if p.grad is not None}


def move_weights(model: nn.Module) -> None:
    """Change every trained parameter, as a step of training would."""
    with torch_seed(2), torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.02 * torch.randn_like(parameter)


@pytest.mark.parametrize("build", [lora_task, full_task])
@pytest.mark.parametrize("settings", [LossSettings(), ALL_LAYERS], ids=["last layer", "all layers"])
def test_detector_losses_are_finite_and_reach_the_trained_parameters(
    small_detector: Path, records: list[ImageRecord], build: Any, settings: LossSettings
) -> None:
    task = build(small_detector, settings)
    batch = batch_of(records, ResizeSettings(mode="shortest_edge", size=96, longest_edge=128))
    assert batch.pixel_mask is not None
    gradients = gradients_of(task, batch)
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert all(parameter.requires_grad for name, parameter in task.model.named_parameters() if name in gradients)
    reached = {name for name, gradient in gradients.items() if gradient.any()}
    if build is lora_task:
        assert {
            name for name, p in task.model.named_parameters() if p.requires_grad and "lora_A" not in name
        } <= reached
    else:
        for part in ("backbone", "text_backbone", "encoder.layers.0", "decoder.layers.2", "bbox_embed"):
            assert any(part in name for name in reached), part


def test_the_loss_is_the_weighted_sum_of_its_terms(small_detector: Path, records: list[ImageRecord]) -> None:
    task = full_task(small_detector, LossSettings(focal=0.5, l1=3.0, giou=7.0))
    terms = losses_of(task, batch_of(records))
    assert set(terms) == {"loss", "focal", "l1", "giou"}
    assert terms["loss"] == pytest.approx(0.5 * terms["focal"] + 3 * terms["l1"] + 7 * terms["giou"], rel=1e-5)


def test_other_layers_add_to_the_loss_but_not_to_the_terms(small_detector: Path, records: list[ImageRecord]) -> None:
    batch = batch_of(records)
    settings = [LossSettings(), LossSettings(earlier_layers=True), ALL_LAYERS]
    last, earlier, everything = (losses_of(full_task(small_detector, one), batch) for one in settings)
    assert last["loss"] < earlier["loss"] < everything["loss"]
    for name in ("focal", "l1", "giou"):
        assert last[name] == pytest.approx(earlier[name]) == pytest.approx(everything[name])


def test_the_losses_of_a_batch_are_the_sum_over_its_images(small_detector: Path, records: list[ImageRecord]) -> None:
    task = full_task(small_detector, ALL_LAYERS)
    batch = batch_of(records)
    together = sums_of(task, batch)
    alone = [sums_of(task, collate([example])) for example in batch.examples]
    assert set(together) == {"l1", "giou", "focal", "other_layers_boxes", "other_layers_tokens"}
    for name, value in together.items():
        assert value == pytest.approx(sum(terms[name] for terms in alone), rel=1e-4)


@pytest.mark.parametrize("divisor", ["boxes", "images"])
def test_the_focal_term_is_a_mean_over_boxes_or_images(
    small_detector: Path, records: list[ImageRecord], divisor: Any
) -> None:
    batch = batch_of([*records, records[2]])
    task = full_task(small_detector, LossSettings(focal_divisor=divisor))
    assert task.counts(batch) == {"boxes": 3, "images": 4, "phrases": sum(len(one.phrases) for one in batch.examples)}
    sums, means = sums_of(task, batch), losses_of(task, batch)
    assert means["focal"] == pytest.approx(sums["focal"] / {"boxes": 3, "images": 4}[divisor])
    assert means["l1"] == pytest.approx(sums["l1"] / 3)


@pytest.mark.parametrize("settings", [LossSettings(), ALL_LAYERS], ids=["last layer", "all layers"])
def test_a_batch_without_objects_trains_the_scores_alone(
    small_detector: Path, records: list[ImageRecord], settings: LossSettings
) -> None:
    task = full_task(small_detector, settings)
    batch = batch_of(records[2:])
    terms = losses_of(task, batch)
    assert terms["l1"] == terms["giou"] == 0 and terms["focal"] > 0
    gradients = gradients_of(task, batch)
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert gradients["model.model.text_projection.weight"].any()


def test_an_image_without_any_phrase_can_be_trained_on(small_detector: Path, records: list[ImageRecord]) -> None:
    nothing = replace(records[2], absent_phrases=(), phrases=())
    task = full_task(small_detector, ALL_LAYERS)
    dataset = TrainingDataset([records[0], nothing], RESIZE)
    assert dataset[1].phrases == ()
    gradients = gradients_of(task, collate([dataset[0], dataset[1]]))
    assert all(gradient.isfinite().all() for gradient in gradients.values())


def test_mask_losses_are_finite_and_reach_every_used_part(
    mask_head_task: MaskHeadTask, records: list[ImageRecord]
) -> None:
    gradients = gradients_of(mask_head_task, mask_batch_of(records, mask_head_task))
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    for part in ("vision_encoder.backbone", "vision_encoder.neck", "prompt_encoder", "mask_decoder"):
        assert any(part in name and gradient.any() for name, gradient in gradients.items()), part


def test_mask_losses_are_means_over_masks(mask_head_task: MaskHeadTask, records: list[ImageRecord]) -> None:
    together = losses_of(mask_head_task, mask_batch_of(records[:2], mask_head_task))
    two, one = (losses_of(mask_head_task, mask_batch_of([record], mask_head_task)) for record in records[:2])
    assert set(together) == {"loss", "mask_bce", "mask_dice"}
    assert together["loss"] == pytest.approx(together["mask_bce"] + together["mask_dice"])
    for name, value in together.items():
        assert value == pytest.approx((2 * two[name] + one[name]) / 3, rel=1e-4)


def test_an_image_without_objects_adds_nothing_to_the_mask_losses(
    mask_head_task: MaskHeadTask, records: list[ImageRecord]
) -> None:
    with_empty = losses_of(mask_head_task, mask_batch_of(records, mask_head_task))
    assert with_empty == pytest.approx(losses_of(mask_head_task, mask_batch_of(records[:2], mask_head_task)), rel=1e-4)


def test_a_batch_without_objects_has_no_mask_loss(mask_head_task: MaskHeadTask, records: list[ImageRecord]) -> None:
    batch = mask_batch_of(records[2:], mask_head_task)
    assert losses_of(mask_head_task, batch) == {"loss": 0, "mask_bce": 0, "mask_dice": 0}
    assert not any(gradient.any() for gradient in gradients_of(mask_head_task, batch).values())


def test_boxes_are_moved_in_training_alone(mask_head_task: MaskHeadTask, records: list[ImageRecord]) -> None:
    batch = mask_batch_of(records[:1], mask_head_task)
    assert losses_of(mask_head_task, batch) == losses_of(mask_head_task, batch)
    mask_head_task.model.train()
    with torch.no_grad(), torch_seed(0):
        first, second = (float(mask_head_task.losses(batch)["loss"]) for _ in range(2))
        mask_head_task.box_jitter = 0.0
        third, fourth = (float(mask_head_task.losses(batch)["loss"]) for _ in range(2))
    assert first != second
    assert third == fourth


@pytest.mark.parametrize("build", [lora_task, full_task])
def test_a_saved_detector_gives_the_same_answers(small_detector: Path, tmp_path: Path, build: Any) -> None:
    task = build(small_detector, LossSettings())
    move_weights(task.model)
    task.save(tmp_path)
    restored = load_detector(str(tmp_path))
    tokens = tokenize_captions([build_caption(["cyst", "liver"])], restored.tokenizer, restored.max_tokens)
    with torch.no_grad(), torch_seed(3):
        pixel_values = torch.randn(1, 3, 96, 96)
        expected, found = (one.eval()(pixel_values, tokens).last for one in (task.detector, restored))
        untrained = load_detector(str(small_detector))(pixel_values, tokens).last
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.boxes_cxcywh_norm, expected.boxes_cxcywh_norm, atol=1e-4, rtol=0)
    assert (untrained.boxes_cxcywh_norm - expected.boxes_cxcywh_norm).abs().max() > 0.01
    assert trained_resize(tmp_path) == RESIZE


def test_a_saved_mask_head_gives_the_same_logits(mask_head_task: MaskHeadTask, tmp_path: Path) -> None:
    move_weights(mask_head_task.model)
    mask_head_task.save(tmp_path)
    side = mask_head_task.mask_head.side
    boxes_xyxy = torch.tensor([[[10.0, 20.0, 90.0, 100.0]]])
    with torch.no_grad(), torch_seed(3):
        pixel_values = torch.randn(1, 3, side, side)
        models = (mask_head_task.mask_head.eval(), load_mask_head(str(tmp_path)))
        expected, found = (model(pixel_values, boxes_xyxy) for model in models)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("with_masks", [False, True])
def test_every_tensor_that_models_read_moves_to_the_device(records: list[ImageRecord], with_masks: bool) -> None:
    resize = ResizeSettings(mode="shortest_edge", size=96, longest_edge=128)
    batch = batch_of(records, resize, with_masks=with_masks)
    moved = to_device(batch, torch.device("meta"))
    assert moved.pixel_values.is_meta and moved.pixel_mask is not None and moved.pixel_mask.is_meta
    for before, after in zip(batch.examples, moved.examples, strict=True):
        assert after.boxes_cxcywh_norm.is_meta and after.phrase_indices.is_meta
        assert after.masks.is_meta if with_masks else after.masks is None
        assert after.phrases == before.phrases
    assert moved.num_boxes == batch.num_boxes == 3
    assert to_device(batch_of(records), torch.device("cpu")).pixel_mask is None
