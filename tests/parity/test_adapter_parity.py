"""The published adaptation at full size: peft on the official model, and its file read by us, give the same answers."""

import tempfile
from collections.abc import Iterator
from copy import deepcopy
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from peft import PeftModel, get_peft_model_state_dict

from benchmarks.parity.adapters import AdaptedOurs, adapt_official, adapter_rows
from benchmarks.parity.official_grounding_dino import build_official, write_text_encoder
from gdinousam.errors import InputError
from gdinousam.models.adapters.lora import count_parameters
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.published_lora import LAST_BOX_LAYER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("groundingdino") is None, reason="needs groundingdino-py"),
    pytest.mark.skipif(
        int(version("transformers").split(".")[0]) >= 5, reason="groundingdino-py needs transformers < 5"
    ),
]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """What the official model needs for its text side; gone afterwards, as files of full size are large."""
    with tempfile.TemporaryDirectory() as name:
        write_text_encoder(Path(name))
        yield Path(name)


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[PeftModel, AdaptedOurs]:
    """The official model with adapters, and ours from its weights without them."""
    official = build_official("Swin-T", folder)
    ours = AdaptedOurs(official.state_dict(), folder)
    return adapt_official(official), ours


@pytest.fixture(scope="module")
def official(both: tuple[PeftModel, AdaptedOurs]) -> PeftModel:
    return both[0]


@pytest.fixture(scope="module")
def ours(both: tuple[PeftModel, AdaptedOurs]) -> AdaptedOurs:
    return both[1]


@pytest.fixture(scope="module")
def expected(official: PeftModel, ours: AdaptedOurs) -> Tensors:
    """Our trained parameters from the form that peft's own function writes."""
    return state_of(ours.adapted(get_peft_model_state_dict(official, save_embedding_layers=False)))


def state_of(model: PeftModel) -> Tensors:
    """The trained parameters."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_adapted_models_answer_alike_unmerged_and_merged() -> None:
    rows = list(adapter_rows())
    assert len(rows) == 3 * 3 + 2
    assert [row for row in rows if not row.passes] == []


def test_the_published_form_gives_all_trained_parameters(official: PeftModel, expected: Tensors) -> None:
    theirs = [parameter for parameter in official.parameters() if parameter.requires_grad]
    assert count_parameters(official).adapted_modules == 81
    # each value arrives once, under whatever name
    arrived = {fingerprint(tensor) for tensor in expected.values()}
    assert len(theirs) == 2 * 81 + 2
    assert {fingerprint(parameter) for parameter in theirs} <= arrived
    last = official.get_base_model().get_submodule(LAST_BOX_LAYER)
    assert not torch.allclose(last.modules_to_save["default"].weight, last.original_module.weight, atol=1e-3)


def fingerprint(tensor: torch.Tensor) -> tuple[object, ...]:
    values = tensor.detach().double()
    return tuple(tensor.shape), float(values.sum()), float(values.square().sum())


@pytest.mark.parametrize("form", ["named_parameters", "trained named_parameters", "state_dict"])
def test_every_form_that_programs_save_is_the_same_adapter(
    official: PeftModel, ours: AdaptedOurs, expected: Tensors, form: str
) -> None:
    tensors = {
        "named_parameters": dict(official.named_parameters()),
        "trained named_parameters": {name: p for name, p in official.named_parameters() if p.requires_grad},
        "state_dict": official.state_dict(),
    }[form]
    found = state_of(ours.adapted(tensors))
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []


def test_a_whole_state_dict_of_another_base_is_refused(official: PeftModel, ours: AdaptedOurs) -> None:
    name = "base_model.model.transformer.level_embed"
    tensors = official.state_dict()
    with pytest.raises(InputError, match=r"another base: 1 tensor \(transformer.level_embed\)"):
        ours.adapted(tensors | {name: tensors[name] + 1e-6})


def test_an_attention_adapter_has_no_say_in_the_official_model_until_merged(official: PeftModel) -> None:
    attention = deepcopy(official.get_base_model().transformer.decoder.layers[0].self_attn)
    query = torch.rand(3, 1, 256)
    with torch.no_grad():
        without = attention(query, query, query)[0]
        attention.out_proj.lora_B["default"].weight.normal_(std=0.1)
        assert torch.equal(attention(query, query, query)[0], without)
        attention.out_proj.merge()
        assert not torch.allclose(attention(query, query, query)[0], without, atol=1e-2)
