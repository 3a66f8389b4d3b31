"""Attention between image and text, regrouped: transformers' answers and gradients."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from transformers.models.grounding_dino.modeling_grounding_dino import GroundingDinoBiMultiHeadAttention

from gdinousam.models.detector.fusion import ImageTextAttention, attend
from gdinousam.models.own_classes import give_own_classes
from gdinousam.models.small import small_detector_config
from gdinousam.runtime import torch_seed


def attention() -> Any:
    with torch_seed(1):
        module = GroundingDinoBiMultiHeadAttention(small_detector_config())
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.1)  # biases too: none may be lost
    return module.eval()


def by_ours(module: Any) -> Any:
    """The same module, of our class from now on."""
    give_own_classes([module], {GroundingDinoBiMultiHeadAttention: ImageTextAttention}, expected=1)
    return module


def features() -> tuple[torch.Tensor, torch.Tensor]:
    with torch_seed(2):
        return torch.randn(2, 30, 128), torch.randn(2, 5, 128)


def padding() -> tuple[torch.Tensor, torch.Tensor]:
    image, text = torch.zeros(2, 30, dtype=torch.bool), torch.zeros(2, 5, dtype=torch.bool)
    image[1, 20:], text[0, 3:] = True, True
    return image, text


@pytest.mark.parametrize("masks", [(None, None), padding()], ids=["whole", "padded"])
def test_answers_and_weights_are_those_of_transformers(masks: tuple[Any, Any]) -> None:
    module = attention()
    with torch.no_grad():
        expected = module(*features(), *masks)
        found = attend(module, *features(), *masks)
    for one, other in zip([*found[0], *found[1]], [*expected[0], *expected[1]], strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_gradients_are_those_of_transformers() -> None:
    module = attention()
    inputs = [tensor.requires_grad_() for tensor in features()]
    parameters = list(module.parameters())
    gradients = []
    for (image, _), (text, _) in (module(*inputs, *padding()), attend(module, *inputs, *padding())):
        loss = image.square().sum() + text.square().sum()
        gradients.append(torch.autograd.grad(loss, [*inputs, *parameters]))
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_large_scores_do_not_overflow() -> None:
    module = attention()
    image, text = features()
    with torch.no_grad():
        expected, found = module(image * 1e3, text * 1e3), attend(module, image * 1e3, text * 1e3, None, None)
    torch.testing.assert_close(found[0][0], expected[0][0], atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(found[1][0], expected[1][0], atol=1e-2, rtol=1e-3)


def test_dropout_hits_the_weights_alone() -> None:
    module = attention().train()
    module.dropout = 0.5
    with torch_seed(3):
        expected = module(*features())
    with torch_seed(3):
        found = attend(module, *features(), None, None)
    # other shapes draw other numbers: what must agree is that something is dropped, and what was weighed
    torch.testing.assert_close(found[0][1], expected[0][1], atol=1e-5, rtol=1e-4)
    assert (found[0][0] - attend(module.eval(), *features(), None, None)[0][0]).abs().max() > 1e-3


def test_an_adapter_on_a_projection_is_not_passed_over() -> None:
    module = attention()
    adapter = LoraConfig(r=2, target_modules=["text_proj"], init_lora_weights=False)
    module = inject_adapter_in_model(adapter, module)
    with torch.no_grad():
        expected = module(*features())
        found = by_ours(module)(*features())
        plain = attend(attention(), *features(), None, None)
    torch.testing.assert_close(found[0][0], expected[0][0])
    assert (plain[0][0] - found[0][0]).abs().max() > 1e-3


def test_ours_in_the_place_of_theirs_answers_alike() -> None:
    module = attention()
    with torch.no_grad():
        expected, found = module(*features()), by_ours(module)(*features())
    assert not torch.equal(found[0][0], expected[0][0]), "another order should show in the last digits"
    torch.testing.assert_close(found[0][0], expected[0][0], atol=1e-5, rtol=1e-4)
