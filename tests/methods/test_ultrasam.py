"""UltraSam: network and masks against recorded outputs, and what every prompted method promises."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
from mask_checks import agreement, count_calls, small_sam
from transformers import SamModel

from benchmarks.parity.weights import rule_values
from gdinousam.errors import InputError
from gdinousam.methods.ultrasam.checkpoint import ultrasam_from
from gdinousam.methods.ultrasam.segmenter import TwiceAddingMlp, UltraSam, UltraSamHint, load_ultrasam
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.records import BoxXYXY, Click, Detection, Hint, Image, Mask

GOLDENS = Path(__file__).parents[2] / ".." / "shared" / "goldens"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded outputs that developers have")
PROMPT_KINDS = get_args(UltraSamHint)
PROMPTS = (
    Hint("lesion", (20.0, 30.0, 90.0, 100.0), (Click(50.5, 60.0), Click(1.0, 1.0)), 0.75),
    Hint("cyst", (60.5, 10.0, 150.0, 80.0), (Click(100.0, 40.0),)),
    Hint("lesion", (5.0, 90.0, 40.0, 140.0), (Click(20.0, 110.0, is_foreground=False),), 0.5),
)
Recorded = dict[str, npt.NDArray[Any]]


@pytest.fixture(scope="module", params=PROMPT_KINDS)
def method(request: pytest.FixtureRequest) -> UltraSam:
    # plain: the dilation of published masks fills the whole image where the small model answers in spots
    return UltraSam(small_sam(), request.param, masks="plain")


@pytest.fixture(scope="module")
def by_point() -> UltraSam:
    """UltraSam as it is published, shown clicks."""
    return UltraSam(small_sam(), "point")


@contextmanager
def boxes_shown(model: SamModel) -> Iterator[list[torch.Tensor | None]]:
    """Collect the boxes that the hint encoder is given, ``None`` for a call without any."""
    shown: list[torch.Tensor | None] = []
    handle = model.prompt_encoder.register_forward_pre_hook(
        lambda _, args, kwargs: shown.append(kwargs["input_boxes"]), with_kwargs=True
    )
    try:
        yield shown
    finally:
        handle.remove()


def masks_of(detections: Sequence[Detection]) -> list[Mask]:
    return [detection.mask_hw for detection in detections if detection.mask_hw is not None]


def detections_agree(first: Sequence[Detection], second: Sequence[Detection]) -> float:
    """The agreement of the masks; phrases and scores must be equal."""
    assert [(one.phrase, one.score) for one in first] == [(one.phrase, one.score) for one in second]
    return agreement(masks_of(first), masks_of(second))


def silenced(model: SamModel) -> SamModel:
    """Make every logit of every mask the same negative number."""
    with torch.no_grad():
        last = [mlp.proj_out for mlp in model.mask_decoder.output_hypernetworks_mlps]
        for layer, bias in [*((layer, -1.0) for layer in last), (model.mask_decoder.upscale_conv2, 1.0)]:
            layer.weight.zero_()
            layer.bias.fill_(bias)
    return model


def test_every_hint_gets_a_mask_of_the_size_of_its_image(method: UltraSam, phantom_images: list[Image]) -> None:
    answers = method.segment_hints(phantom_images, [PROMPTS[:1], [], PROMPTS])
    assert [len(row) for row in answers] == [1, 0, 3]
    assert [(one.phrase, one.score) for one in answers[2]] == [("lesion", 0.75), ("cyst", 1.0), ("lesion", 0.5)]
    for image, row in zip(phantom_images, answers, strict=True):
        assert all(mask.shape == image.shape[:2] and mask.dtype == np.bool_ for mask in masks_of(row))
        assert len(masks_of(row)) == len(row)


def test_masks_of_the_small_model_are_worth_comparing(method: UltraSam, phantom_images: list[Image]) -> None:
    detections = method.segment_hints(phantom_images[:1], [PROMPTS])[0]
    assert all(0.02 < mask.mean() < 0.99 for mask in masks_of(detections))
    first, second, _ = masks_of(detections)
    assert (first == second).mean() < 0.999


@pytest.mark.parametrize("num_images", [0, 2])
def test_without_hints_nothing_is_calculated(method: UltraSam, phantom_images: list[Image], num_images: int) -> None:
    with count_calls(method.model.vision_encoder) as encoder, count_calls(method.model.mask_decoder) as decoder:
        assert method.segment_hints(phantom_images[:num_images], [[]] * num_images) == [[]] * num_images
    assert encoder == decoder == []


def test_an_image_is_encoded_once_and_takes_two_decoder_calls(method: UltraSam, phantom_images: list[Image]) -> None:
    with count_calls(method.model.vision_encoder) as encoder, count_calls(method.model.mask_decoder) as decoder:
        method.segment_hints(phantom_images, [PROMPTS, [], PROMPTS[:2]])
    assert (len(encoder), len(decoder)) == (2, 4)


def test_a_hint_does_not_change_the_mask_of_another(method: UltraSam, phantom_images: list[Image]) -> None:
    together = method.segment_hints(phantom_images[:1], [PROMPTS])[0]
    alone = [method.segment_hints(phantom_images[:1], [[hint]])[0][0] for hint in PROMPTS]
    assert detections_agree(together, alone) > 0.9999


def test_answers_follow_the_order_of_hints(method: UltraSam, phantom_images: list[Image]) -> None:
    forwards = method.segment_hints(phantom_images[:1], [PROMPTS])[0]
    backwards = method.segment_hints(phantom_images[:1], [PROMPTS[::-1]])[0]
    assert detections_agree(forwards, backwards[::-1]) > 0.9999


def test_a_batch_gives_the_answers_of_single_images(method: UltraSam, phantom_images: list[Image]) -> None:
    hints = [PROMPTS, PROMPTS[:2], PROMPTS[1:]]
    batch = method.segment_hints(phantom_images, hints)
    for image, row, detections in zip(phantom_images, hints, batch, strict=True):
        assert detections_agree(detections, method.segment_hints([image], [row])[0]) == 1


def test_whole_numbers_are_taken_for_pixels_too(phantom_images: list[Image]) -> None:
    method = UltraSam(small_sam(), "box", masks="plain")
    whole, fractions = Hint("lesion", (20, 30, 90, 100)), Hint("lesion", (20.0, 30.0, 90.0, 100.0))
    image = phantom_images[:1]
    assert (
        detections_agree(method.segment_hints(image, [[whole]])[0], method.segment_hints(image, [[fractions]])[0]) == 1
    )


def test_what_is_not_asked_for_is_not_looked_at(method: UltraSam, phantom_images: list[Image]) -> None:
    whole = method.segment_hints(phantom_images[:1], [PROMPTS])[0]
    if method.hint == "box":
        bare = [replace(hint, clicks=()) for hint in PROMPTS]
    else:
        bare = [replace(hint, box_xyxy=None, clicks=hint.clicks[:1]) for hint in PROMPTS]
    assert detections_agree(whole, method.segment_hints(phantom_images[:1], [bare])[0]) == 1


def test_the_box_of_a_detection_is_that_of_its_hint(method: UltraSam, phantom_images: list[Image]) -> None:
    detections = method.segment_hints(phantom_images[:1], [PROMPTS])[0]
    assert [one.box_xyxy for one in detections] == [hint.box_xyxy for hint in PROMPTS]


def test_without_a_box_it_is_the_one_round_the_mask(by_point: UltraSam, phantom_images: list[Image]) -> None:
    bare = [replace(hint, box_xyxy=None) for hint in PROMPTS]
    for detection in by_point.segment_hints(phantom_images[:1], [bare])[0]:
        (mask_hw,) = masks_of([detection])
        rows, columns = np.nonzero(mask_hw)
        assert detection.box_xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_click_beside_the_object_says_something_else(by_point: UltraSam, phantom_images: list[Image]) -> None:
    on, beside = (Hint("lesion", clicks=(Click(50.5, 60.0, is_foreground),)) for is_foreground in (True, False))
    first, second = masks_of(by_point.segment_hints(phantom_images[:1], [[on, beside]])[0])
    assert not np.array_equal(first, second)


def test_an_empty_mask_is_no_detection_unless_the_hint_has_a_box(phantom_images: list[Image]) -> None:
    bare = [replace(hint, box_xyxy=None) for hint in PROMPTS[:2]]
    model = silenced(small_sam())
    assert UltraSam(model, "point").segment_hints(phantom_images[:1], [bare]) == [[]]
    detections = UltraSam(model, "box").segment_hints(phantom_images[:1], [PROMPTS[:2]])[0]
    assert [one.box_xyxy for one in detections] == [hint.box_xyxy for hint in PROMPTS[:2]]
    assert not any(mask.any() for mask in masks_of(detections))


def test_after_an_empty_first_mask_the_second_box_is_all_zeros(phantom_images: list[Image]) -> None:
    by_point = UltraSam(silenced(small_sam()), "point")
    with boxes_shown(by_point.model) as shown:
        by_point.segment_hints(phantom_images[:1], [PROMPTS[:1]])
    first, second = shown
    assert first is None
    # transformers adds half a pixel
    assert second is not None and torch.equal(second + 0.5, torch.zeros(1, 1, 4))


def test_a_box_is_shown_in_both_passes(phantom_images: list[Image]) -> None:
    by_box = UltraSam(small_sam(), "box")
    with boxes_shown(by_box.model) as shown:
        by_box.segment_hints(phantom_images[:1], [PROMPTS[:1]])
    first, second = shown
    expected = by_box.frame.boxes_in_square(torch.tensor([PROMPTS[0].box_xyxy]), phantom_images[0].shape[:2])
    assert first is not None and second is not None
    assert torch.equal(first, expected[None]) and torch.equal(second, first)


@pytest.mark.parametrize(
    ("hint", "shown", "lacking"),
    [("box", Hint("lesion", clicks=(Click(1.0, 1.0),)), "box"), ("point", Hint("lesion", (0, 0, 9, 9)), "click")],
)
def test_a_hint_that_lacks_what_is_needed_is_named(
    phantom_images: list[Image], hint: UltraSamHint, shown: Hint, lacking: str
) -> None:
    method = UltraSam(small_sam(), hint)
    assert method.needs == {hint}
    with (
        count_calls(method.model.vision_encoder) as encoder,
        pytest.raises(InputError, match=f"^the hint for 'lesion' has no {lacking}, which UltraSam"),
    ):
        method.segment_hints(phantom_images[:2], [PROMPTS, [shown]])
    assert encoder == []  # nothing is calculated before all is known to be there


def test_hints_must_be_given_for_every_image(method: UltraSam, phantom_images: list[Image]) -> None:
    with pytest.raises(ValueError, match="3 images but hints of 1"):
        method.segment_hints(phantom_images, [PROMPTS])


def test_the_decoder_adds_its_tokens_once_more_under_the_same_names() -> None:
    model = small_sam()
    names = list(model.state_dict())
    plain = [layer.mlp for layer in model.mask_decoder.transformer.layers]
    encoder_mlps = [type(layer.mlp) for layer in model.vision_encoder.layers]
    UltraSam(model)
    assert list(model.state_dict()) == names
    assert [type(layer.mlp) for layer in model.vision_encoder.layers] == encoder_mlps
    tokens = torch.randn(2, 1, 7, 32, generator=torch.Generator().manual_seed(0))
    for layer, mlp in zip(model.mask_decoder.transformer.layers, plain, strict=True):
        assert isinstance(layer.mlp, TwiceAddingMlp)
        assert torch.equal(layer.mlp(tokens), tokens + mlp(tokens))


def test_two_methods_may_share_a_model(phantom_images: list[Image]) -> None:
    model = small_sam()
    first = UltraSam(model, "box")
    before = first.segment_hints(phantom_images[:1], [PROMPTS])[0]
    UltraSam(model, "point")
    assert detections_agree(before, first.segment_hints(phantom_images[:1], [PROMPTS])[0]) == 1


def test_the_plain_mask_lies_in_the_published_one(phantom_images: list[Image]) -> None:
    model = small_sam()
    published = UltraSam(model, "point").segment_hints(phantom_images, [PROMPTS] * 3)
    plain = UltraSam(model, "point", masks="plain").segment_hints(phantom_images, [PROMPTS] * 3)
    for larger_row, smaller_row in zip(published, plain, strict=True):
        for larger, smaller in zip(masks_of(larger_row), masks_of(smaller_row), strict=True):
            assert not (smaller & ~larger).any()
            assert larger.sum() > smaller.sum()


def test_random_small_weights_run_from_image_to_mask(phantom_images: list[Image]) -> None:
    method = load_ultrasam(RANDOM_SMALL, hint="point", masks="plain")
    assert method.to("cpu") is method
    assert method.frame.side == 256
    (detection,) = method.segment_hints(phantom_images[:1], [PROMPTS[:1]])[0]
    assert detection.phrase == "lesion"


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Inputs and outputs of UltraSam's own code with weights of the rule."""
    with np.load(GOLDENS / "ultrasam" / "predict.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def full_size() -> SamModel:
    """ViT-B with the weights that the outputs were recorded with."""
    keys = json.loads((GOLDENS / "medsam" / "state_dict_keys.json").read_text(encoding="utf-8"))["keys"]
    sources = json.loads((GOLDENS / "ultrasam" / "mmdet_key_from_sam_keys.json").read_text(encoding="utf-8"))

    def value(name: str) -> torch.Tensor:
        return torch.from_numpy(rule_values(name, tuple(keys[name][0])))

    tensors = {
        name: value(source) if isinstance(source, str) else torch.cat([value(part) for part in source["concat_dim0"]])
        for name, source in sources.items()
    }
    return ultrasam_from(tensors, Path("UltraSam.pth"))


@pytest.fixture(scope="module")
def encoded(full_size: SamModel, recorded: Recorded) -> torch.Tensor:
    with torch.inference_mode():
        return UltraSam(full_size).encode(recorded["image_u8"])


def recorded_hint(recorded: Recorded) -> Hint:
    """The true box, and the mean of the true mask's pixel centres as click, on which the outputs were recorded."""
    x0, y0, x1, y1 = map(float, recorded["gt_box_xyxy"][0])
    box_xyxy: BoxXYXY = (x0, y0, x1, y1)
    rows, columns = np.nonzero(recorded["gt_mask"])
    return Hint("object", box_xyxy, (Click(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5),))


@needs_goldens
@pytest.mark.slow
def test_the_image_encoder_answers_as_recorded(encoded: torch.Tensor, recorded: Recorded) -> None:
    assert np.abs(encoded[0, ::8, ::4, ::4].numpy() - recorded["embed_probe"]).max() < 1e-5


@needs_goldens
@pytest.mark.slow
@pytest.mark.parametrize("hint", PROMPT_KINDS)
def test_both_passes_answer_as_recorded(
    full_size: SamModel, encoded: torch.Tensor, recorded: Recorded, hint: UltraSamHint
) -> None:
    method, hints, size_hw = UltraSam(full_size, hint), [recorded_hint(recorded)], (90, 120)
    with torch.inference_mode():
        first, first_overlaps = method.first_pass(encoded, hints, size_hw)
        second, second_overlaps = method.second_pass(encoded, hints, first, size_hw)
        chosen = method.low_res_logits(encoded, hints, size_hw)
        first_mask, last_mask = (method.frame.masks_of_size(logits, size_hw).numpy() for logits in (first, chosen))
    assert np.abs(first.numpy() - recorded[f"{hint}_pass0_low_res"]).max() < 5e-5
    assert np.abs(first_overlaps.numpy() - recorded[f"{hint}_pass0_iou"]).max() < 5e-5
    assert np.abs(second[:, :, ::2, ::2].numpy() - recorded[f"{hint}_pass1_low_res"]).max() < 5e-5
    assert np.abs(second_overlaps.numpy() - recorded[f"{hint}_pass1_iou"]).max() < 5e-5
    assert np.abs(chosen.numpy() - recorded[f"{hint}_pass1_chosen_low_res"]).max() < 5e-5
    assert np.array_equal(first_mask, recorded[f"{hint}_pass0_mask"])
    assert np.array_equal(last_mask, recorded[f"{hint}_pass1_mask"])
