"""What the U-Net learns from: known pairs of image and phrase, each one mask; nothing else moves a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from gdinousam.data.dataset import Batch, Example, collate
from gdinousam.methods.unet.network import UNet, UNetDescription
from gdinousam.methods.unet.task import UNetTask
from gdinousam.preprocessing import boxes_cxcywh_norm
from gdinousam.runtime import torch_seed
from gdinousam.training.losses import mask_sums

SIDE, CHANNELS, PHRASES = 16, (4, 8, 8), ("cyst", "lesion", "head")
HEAD = "head.1"  # the pixel-wise step from shared features to phrases


@pytest.fixture
def task() -> UNetTask:
    with torch_seed(3):
        network = UNet(CHANNELS, len(PHRASES))
    return UNetTask(network, UNetDescription(name="unet", size=SIDE, channels=CHANNELS, phrases=PHRASES))


def example(phrases: Sequence[str], instance_phrases: Sequence[str], seed: int = 0) -> Example:
    """An image of noise with a rectangle for each instance, at places of their own."""
    masks = torch.zeros(len(instance_phrases), SIDE, SIDE, dtype=torch.bool)
    for place, mask in enumerate(masks):
        mask[2 + 3 * place : 5 + 3 * place, 4:12] = True
    boxes_xyxy = torch.tensor([[4.0, 2 + 3 * place, 12, 5 + 3 * place] for place in range(len(masks))]).reshape(-1, 4)
    return Example(
        pixel_values=torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)),
        boxes_cxcywh_norm=boxes_cxcywh_norm(boxes_xyxy, (SIDE, SIDE)),
        phrases=tuple(phrases),
        phrase_indices=torch.tensor([list(phrases).index(one) for one in instance_phrases], dtype=torch.int64),
        masks=masks,
    )


def losses_of(task: UNetTask, batch: Batch) -> dict[str, float]:
    terms = task.losses(batch)
    return {name: float(value.detach()) for name, value in terms.items()}


def gradients_of(task: UNetTask, batch: Batch) -> dict[str, torch.Tensor]:
    task.model.zero_grad()
    task.losses(batch)["loss"].backward()
    return {name: p.grad.clone() for name, p in task.model.named_parameters() if p.grad is not None}


def test_the_network_gives_logits_of_every_phrase_at_every_pixel(task: UNetTask) -> None:
    assert task.network(torch.zeros(2, 3, SIDE, SIDE)).shape == (2, len(PHRASES), SIDE, SIDE)


def test_a_pair_is_a_known_phrase_of_an_image_present_or_absent(task: UNetTask) -> None:
    batch = collate([example(("cyst", "head"), ("cyst",)), example(("lesion",), ("lesion", "lesion"))])
    assert (task.counts(batch), batch.num_boxes) == ({"masks": 3}, 3)
    assert task.counts(collate([example(("cyst", "head"), ())])) == {"masks": 2}


def test_losses_are_those_of_the_union_mask_in_the_channel_of_the_phrase(task: UNetTask) -> None:
    one = example(("lesion", "cyst"), ("lesion", "cyst", "lesion"))
    assert one.masks is not None
    logits = task.network(one.pixel_values[None])[0]
    truth = torch.stack([one.masks[0] | one.masks[2], one.masks[1]])
    by_hand = mask_sums(logits[[1, 0]], truth)
    losses = losses_of(task, collate([one]))
    assert set(losses) == {"loss", "mask_bce", "mask_dice"}
    assert losses["loss"] == pytest.approx(losses["mask_bce"] + losses["mask_dice"])
    for name, value in by_hand.items():
        assert losses[name] == pytest.approx(float(value.detach()) / 2, rel=1e-5)


def test_losses_are_means_over_pairs(task: UNetTask) -> None:
    two, one = example(("cyst", "head"), ("cyst",)), example(("lesion",), ("lesion",), seed=1)
    together = losses_of(task, collate([two, one]))
    of_two, of_one = losses_of(task, collate([two])), losses_of(task, collate([one]))
    for name, value in together.items():
        assert value == pytest.approx((2 * of_two[name] + of_one[name]) / 3, rel=1e-4)


def test_channels_of_phrases_that_no_image_is_known_about_get_no_gradient(task: UNetTask) -> None:
    batch = collate([example(("lesion",), ("lesion",)), example(("lesion", "head"), ("lesion",), seed=1)])
    gradients = gradients_of(task, batch)
    weight, bias = gradients[f"{HEAD}.weight"], gradients[f"{HEAD}.bias"]
    assert weight.shape[0] == len(PHRASES)
    assert not weight[0].any() and not bias[0]
    assert all(weight[channel].any() and bias[channel] for channel in (1, 2))
    assert any(gradient.any() for name, gradient in gradients.items() if name.startswith("body"))


def test_a_phrase_known_to_be_absent_is_taught_to_stay_empty(task: UNetTask) -> None:
    gradients = gradients_of(task, collate([example(("head",), ())]))
    assert gradients[f"{HEAD}.bias"][2] > 0  # a step against it lowers every logit of the channel
    assert not gradients[f"{HEAD}.bias"][:2].any()


def test_neither_the_order_of_images_nor_of_phrases_matters(task: UNetTask) -> None:
    first, second = example(("cyst", "head"), ("cyst", "head")), example(("lesion",), ("lesion",), seed=1)
    turned = replace(first, phrases=("head", "cyst"), phrase_indices=torch.tensor([1, 0]))
    assert losses_of(task, collate([second, turned])) == pytest.approx(losses_of(task, collate([first, second])))


def test_a_dataset_without_masks_is_a_mistake_of_ours(task: UNetTask) -> None:
    with pytest.raises(ValueError, match="with_masks=True"):
        losses_of(task, collate([replace(example(("cyst",), ("cyst",)), masks=None)]))
