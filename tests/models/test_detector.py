"""The detector around transformers' Grounding DINO: same answers, frozen parts frozen, texts computed once."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from mask_checks import count_rows
from torch import nn

from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.detector.detector import Detector, DetectorOutput, LayerPrediction
from gdinousam.models.loading import load_grounding_dino
from gdinousam.prompts import TokenizedCaptions, build_caption, tokenize_captions
from gdinousam.runtime import torch_seed

CAPTIONS = (("cyst",), ("benign lesion", "left kidney", "liver"))


def tokens_of(detector: Detector, captions: Sequence[Sequence[str]] = CAPTIONS) -> TokenizedCaptions:
    return tokenize_captions([build_caption(row) for row in captions], detector.tokenizer, detector.max_tokens)


def noise(num_images: int, height: int = 96, width: int = 96) -> torch.Tensor:
    with torch_seed(4):
        return torch.randn(num_images, 3, height, width)


def plain_detector(folder: Path, trainable_text: bool = False) -> Detector:
    model, tokenizer = load_grounding_dino(str(folder))
    model.requires_grad_(False)
    model.model.text_backbone.requires_grad_(trainable_text)
    return Detector(model, tokenizer).eval()


def lora_detector(folder: Path) -> Detector:
    model, tokenizer = load_grounding_dino(str(folder))
    return Detector(add_lora(model, LoraSettings(rank=4)), tokenizer)


def _inputs(tokens: TokenizedCaptions) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return tokens.input_ids, tokens.attention_mask, tokens.token_type_ids


def first_text_layer(detector: Detector) -> nn.Module:
    return detector.grounding_dino.model.text_backbone.encoder.layer[0]


@torch.no_grad()
def ask(detector: Detector, captions: Sequence[Sequence[str]] = CAPTIONS, earlier: bool = False) -> DetectorOutput:
    return detector(noise(len(captions)), tokens_of(detector, captions), with_earlier_layers=earlier)


def assert_close(first: LayerPrediction, second: LayerPrediction, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(first.logits, second.logits, atol=tolerance, rtol=0)
    torch.testing.assert_close(first.boxes_cxcywh_norm, second.boxes_cxcywh_norm, atol=tolerance, rtol=0)


def test_frozen_modules_stay_in_eval_mode_and_trained_ones_do_not(small_detector: Path) -> None:
    detector = lora_detector(small_detector).train()
    for name, module in detector.named_modules():
        trained = any(parameter.requires_grad for parameter in module.parameters())
        assert module.training == trained, name
    assert detector.training
    assert not detector.grounding_dino.model.backbone.training
    assert detector.grounding_dino.model.text_projection.lora_A["default"].training
    assert not any(module.training for module in detector.eval().modules())


def test_a_model_trained_in_full_is_in_training_mode_throughout(small_detector: Path) -> None:
    model, tokenizer = load_grounding_dino(str(small_detector))
    detector = Detector(model.requires_grad_(True), tokenizer).train()
    assert all(module.training for module in detector.modules() if any(True for _ in module.parameters()))


def test_answers_are_those_of_transformers(small_detector: Path) -> None:
    detector = plain_detector(small_detector)
    model, _ = load_grounding_dino(str(small_detector))
    tokens = tokens_of(detector)
    with torch.no_grad():
        expected = model.eval()(
            pixel_values=noise(2),
            input_ids=tokens.input_ids,
            token_type_ids=tokens.token_type_ids,
            attention_mask=tokens.attention_mask,
        )
    found = ask(detector).last
    num_tokens = tokens.input_ids.shape[1]
    assert_close(found, LayerPrediction(expected.logits[..., :num_tokens], expected.pred_boxes))
    assert found.logits.shape == (2, detector.grounding_dino.config.num_queries, num_tokens)
    assert expected.logits[..., num_tokens:].isneginf().all()


def test_logits_are_minus_infinity_on_padding_alone(small_detector: Path) -> None:
    output = ask(plain_detector(small_detector))
    assert output.valid_tokens.sum(dim=1).tolist() == [4, 10]
    valid = output.valid_tokens[:, None].expand_as(output.last.logits)
    assert output.last.logits[valid].isfinite().all()
    assert output.last.logits[~valid].isneginf().all()


def test_remembered_texts_give_the_same_answers_as_computed_ones(small_detector: Path) -> None:
    remembers = plain_detector(small_detector)
    computes = plain_detector(small_detector, trainable_text=True)
    for captions in (CAPTIONS, CAPTIONS[::-1], [CAPTIONS[0], CAPTIONS[0]]):
        found, expected = ask(remembers, captions, earlier=True), ask(computes, captions, earlier=True)
        assert_close(found.last, expected.last)
        assert_close(found.encoder, expected.encoder)


def test_a_frozen_text_encoder_runs_once_per_distinct_caption(small_detector: Path) -> None:
    detector = plain_detector(small_detector)
    with count_rows(first_text_layer(detector)) as rows:
        ask(detector, [*CAPTIONS, CAPTIONS[0]])
        assert rows == [1, 1]
        ask(detector, CAPTIONS[::-1])
        ask(detector, CAPTIONS[:1])
        assert rows == [1, 1]
        ask(detector, [("spleen",), CAPTIONS[0]])
        assert rows == [1, 1, 1]


def test_features_of_a_caption_do_not_depend_on_what_it_was_first_seen_with() -> None:
    short, long = ("fetal head",), ("serous cystadenoma of the ovary", "chocolate cyst of the ovary")
    features = []
    for first_seen in ([short], [short, long], [long, short]):
        # trained weights: their larger numbers round more
        model, tokenizer = load_grounding_dino("small")
        detector = Detector(model.requires_grad_(False), tokenizer).eval()
        ask(detector, first_seen)
        tokens = tokens_of(detector, [short])
        positions = torch.arange(tokens.input_ids.shape[1])[None]
        encode = detector.grounding_dino.model.text_backbone.forward
        features.append(encode(*_inputs(tokens), positions).last_hidden_state)
    assert torch.equal(features[0], features[1]) and torch.equal(features[0], features[2])


def test_a_trained_text_encoder_runs_every_time(small_detector: Path) -> None:
    detector = plain_detector(small_detector, trainable_text=True)
    with count_rows(first_text_layer(detector)) as rows:
        ask(detector)
        ask(detector)
    assert rows == [2, 2]


def test_texts_are_not_shared_between_detectors(small_detector: Path) -> None:
    first, second = plain_detector(small_detector), plain_detector(small_detector)
    with torch.no_grad():
        second.grounding_dino.model.text_backbone.embeddings.word_embeddings.weight.mul_(-1)
    expected = ask(first).last
    assert (ask(second).last.logits - expected.logits).nan_to_num().abs().max() > 1e-3
    assert_close(ask(first).last, expected)


def test_texts_remembered_in_prediction_serve_training(small_detector: Path) -> None:
    detector = lora_detector(small_detector)
    with torch.inference_mode():
        detector.eval()(noise(2), tokens_of(detector))
    output = detector.train()(noise(2), tokens_of(detector))
    output.last.boxes_cxcywh_norm.sum().backward()
    output_again = detector(noise(2), tokens_of(detector))
    (output_again.last.logits[..., 0].sum()).backward()
    assert detector.grounding_dino.model.text_projection.lora_B["default"].weight.grad.any()


def test_earlier_layers_are_those_that_transformers_scores_with_labels(small_detector: Path) -> None:
    detector = plain_detector(small_detector)
    model, _ = load_grounding_dino(str(small_detector))
    model.config.auxiliary_loss = True
    tokens = tokens_of(detector, CAPTIONS[1:])
    label = {"class_labels": torch.tensor([1]), "boxes": torch.tensor([[0.5, 0.5, 0.2, 0.2]])}
    with torch.no_grad():
        expected = model.eval()(
            pixel_values=noise(1),
            input_ids=tokens.input_ids,
            token_type_ids=tokens.token_type_ids,
            attention_mask=tokens.attention_mask,
            labels=[label],
        )
    output = ask(detector, CAPTIONS[1:], earlier=True)
    num_tokens = tokens.input_ids.shape[1]
    earlier = expected.auxiliary_outputs[: model.config.decoder_layers - 1]
    assert len(output.earlier) == len(earlier) >= 2
    for found, layer in zip(output.earlier, earlier, strict=True):
        assert_close(found, LayerPrediction(layer["logits"][..., :num_tokens], layer["pred_boxes"]))
    assert_close(
        output.encoder,
        LayerPrediction(expected.enc_outputs_class[..., :num_tokens], expected.enc_outputs_coord_logits.sigmoid()),
    )
    assert_close(output.last, LayerPrediction(expected.logits[..., :num_tokens], expected.pred_boxes))


def test_earlier_layers_are_left_out_unless_asked_for(small_detector: Path) -> None:
    output = ask(plain_detector(small_detector))
    assert output.earlier == () and output.encoder is None


def test_captions_of_unequal_length_do_not_change_each_other(small_detector: Path) -> None:
    detector = plain_detector(small_detector)
    together = ask(detector).last
    for row, caption in enumerate(CAPTIONS):
        tokens = tokens_of(detector, [caption])
        with torch.no_grad():
            alone = detector(noise(2)[row : row + 1], tokens).last
        num_tokens = tokens.input_ids.shape[1]
        assert_close(
            LayerPrediction(together.logits[row : row + 1, :, :num_tokens], together.boxes_cxcywh_norm[row : row + 1]),
            alone,
        )


def test_padding_is_told_from_image(small_detector: Path) -> None:
    detector = plain_detector(small_detector)
    tokens = tokens_of(detector, CAPTIONS[:1])
    pixel_values, pixel_mask = torch.zeros(1, 3, 96, 128), torch.zeros(1, 96, 128, dtype=torch.int64)
    pixel_values[..., :96] = noise(1)
    pixel_mask[..., :96] = 1
    with torch.no_grad():
        masked = detector(pixel_values, tokens, pixel_mask, with_earlier_layers=True).encoder
        unmasked = detector(pixel_values, tokens, with_earlier_layers=True).encoder
    # masked positions propose no box: transformers gives them coordinates of infinity, which end up at 1
    on_padding = masked.boxes_cxcywh_norm.eq(1).all(dim=-1)
    assert 0.2 < on_padding.float().mean() < 0.4
    assert not unmasked.boxes_cxcywh_norm.eq(1).all(dim=-1)[on_padding].all()


def locations_of(sampling: nn.Module, inputs: tuple[Any, ...]) -> torch.Tensor:
    return inspect.signature(sampling.forward).bind(*inputs).arguments["sampling_locations"]


@pytest.mark.parametrize("with_adapters", [False, True])
def test_positions_and_boxes_stay_in_float32_under_mixed_precision(small_detector: Path, with_adapters: bool) -> None:
    detector = (lora_detector if with_adapters else plain_detector)(small_detector).eval()
    expected = ask(detector, earlier=True)
    model = detector.grounding_dino.model
    dtypes: dict[str, torch.dtype] = {}
    heads = {
        "encoder": model.encoder.layers[0].deformable_layer.self_attn,
        "decoder": model.decoder.layers[-1].encoder_attn,
    }
    for name, attention in heads.items():
        attention.sampling_offsets.register_forward_hook(
            lambda _, __, output, name=name: dtypes.update({f"{name} offsets": output.dtype})
        )
        attention.attn.register_forward_pre_hook(
            lambda module, inputs, name=name: dtypes.update({f"{name} locations": locations_of(module, inputs).dtype})
        )
        attention.value_proj.register_forward_hook(
            lambda _, __, output, name=name: dtypes.update({f"{name} values": output.dtype})
        )
    for name, module in {
        "box head": detector.grounding_dino.bbox_embed[0],
        "proposals": model.encoder_output_bbox_embed,
    }.items():
        module.register_forward_hook(lambda _, __, output, name=name: dtypes.update({name: output.dtype}))
    with torch.autocast("cpu", torch.bfloat16):
        found = ask(detector, earlier=True)

    values = {name for name in dtypes if "values" in name}
    assert {dtypes.pop(name) for name in values} == {torch.bfloat16}, "the rest should run in bfloat16"
    assert len(dtypes) == 6 and set(dtypes.values()) == {torch.float32}, dtypes
    for layer in (found.last, *found.earlier, found.encoder):
        assert layer.logits.dtype == layer.boxes_cxcywh_norm.dtype == torch.float32
        assert layer.boxes_cxcywh_norm.isfinite().all() and not layer.logits.isnan().any()
    # of the proposals, because which of them become queries hangs on a hair with random weights
    valid = expected.valid_tokens[:, None].expand_as(expected.encoder.logits)
    torch.testing.assert_close(found.encoder.logits[valid], expected.encoder.logits[valid], atol=0.2, rtol=0)
    torch.testing.assert_close(found.encoder.boxes_cxcywh_norm, expected.encoder.boxes_cxcywh_norm, atol=0.02, rtol=0)


def gradients(detector: Detector) -> tuple[dict[str, torch.Tensor], int]:
    """Gradients of a sum over all answers, and the bytes that the forward pass kept for the backward pass."""
    kept = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    with torch_seed(8), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = detector(noise(2), tokens_of(detector), with_earlier_layers=True)
        layers = [output.last, *output.earlier]
        loss = sum(layer.logits[layer.logits.isfinite()].sum() + layer.boxes_cxcywh_norm.sum() for layer in layers)
    torch.as_tensor(loss).backward()
    found = {name: parameter.grad for name, parameter in detector.named_parameters() if parameter.requires_grad}
    assert found and all(gradient is not None for gradient in found.values())
    return {name: gradient for name, gradient in found.items() if gradient is not None}, kept


@pytest.mark.parametrize("mixed", [False, True])
def test_layers_computed_again_give_the_same_gradients_with_less_kept(small_detector: Path, mixed: bool) -> None:
    detectors = []
    for _ in range(2):
        with torch_seed(1):
            detector = lora_detector(small_detector)
        for parameter in detector.parameters():
            if parameter.requires_grad and not parameter.any():
                torch.nn.init.constant_(parameter, 0.01)  # adapters start at zero, which would hide gradients
        for module in detector.modules():
            if hasattr(module, "activation_dropout"):
                module.activation_dropout = 0.1  # so that what is computed again must draw the same numbers
        detectors.append(detector.train())
    detectors[1].recompute_layers()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        (expected, kept), (found, kept_less) = map(gradients, detectors)
    assert kept_less < kept / 2
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=lambda text, name=name: f"{name}: {text}")


def test_features_stand_in_for_their_images(small_detector: Path) -> None:
    detector = plain_detector(small_detector)
    expected = ask(detector).last
    with torch.no_grad():
        features = detector.encode(noise(2))
        assert_close(detector(features, tokens_of(detector)).last, expected, 0)
        # the second image twice, in the order of other captions
        turned = detector(features.rows([1, 0, 1]), tokens_of(detector, [CAPTIONS[1], CAPTIONS[0], CAPTIONS[1]])).last
    assert_close(LayerPrediction(turned.logits[[1, 2]], turned.boxes_cxcywh_norm[[1, 2]]), expected)
    assert_close(LayerPrediction(turned.logits[[1, 0]], turned.boxes_cxcywh_norm[[1, 0]]), expected)


def test_features_keep_their_padding(small_detector: Path) -> None:
    detector = plain_detector(small_detector)
    mask = torch.ones(2, 96, 96, dtype=torch.long)
    mask[1, 60:] = 0
    with torch.no_grad():
        expected = detector(noise(2), tokens_of(detector), mask).last
        features = detector.encode(noise(2), mask)
        found = detector(features, tokens_of(detector)).last
        alone = detector(features.rows([1]), tokens_of(detector, CAPTIONS[1:])).last
    assert_close(found, expected)
    assert_close(alone, LayerPrediction(expected.logits[1:], expected.boxes_cxcywh_norm[1:]))


def test_frozen_parts_are_noisy_on_request_as_in_the_public_code(small_detector: Path) -> None:
    model, tokenizer = load_grounding_dino(str(small_detector))
    model.requires_grad_(False)
    model.model.text_projection.requires_grad_(True)
    for module in model.model.text_backbone.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    tokens = tokenize_captions([build_caption(["cyst"])], tokenizer, 256)
    pixel_values = torch.zeros(1, 3, 64, 64)

    def answers(detector: Detector) -> list[torch.Tensor]:
        with torch.no_grad():
            return [detector(pixel_values, tokens).last.logits for _ in range(2)]

    noisy = Detector(model, tokenizer, noisy_when_frozen=True)
    assert noisy.train().grounding_dino.model.text_backbone.training
    first, second = answers(noisy)
    assert not torch.equal(first, second)
    first, second = answers(noisy.eval())
    assert torch.equal(first, second)
    quiet = Detector(model, tokenizer).train()
    assert not quiet.grounding_dino.model.text_backbone.training
    first, second = answers(quiet)
    assert torch.equal(first, second)
