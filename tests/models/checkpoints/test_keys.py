"""Renaming tensors: every one is accounted for, split ones add up, nothing shares memory."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.keys import Rule, listed, new_names, rename, translate

PATH = Path("weights.pth")
RULES = (
    rename(r"layers\.(\d+)\.qkv\.(.+)", r"blocks.\1.query.\2", r"blocks.\1.key.\2", r"blocks.\1.value.\2"),
    rename(r"layers\.0\.(.+)", r"first.\1"),
    rename(r"layers\.(\d+)\.(.+)", r"blocks.\1.\2"),
    Rule(r"shared\.(.+)", (r"here.\1", r"there.\1"), several="copies"),
)
IGNORED = r"old\..+|position_ids"


def test_a_name_gets_what_the_first_rule_makes_of_it() -> None:
    assert new_names("layers.3.norm.weight", RULES) == ("blocks.3.norm.weight",)
    assert new_names("layers.0.norm.weight", RULES) == ("first.norm.weight",)
    assert new_names("layers.0.qkv.bias", RULES) == ("blocks.0.query.bias", "blocks.0.key.bias", "blocks.0.value.bias")


def test_a_rule_fits_whole_names_only() -> None:
    assert new_names("other.layers.3.norm.weight", RULES) == ()
    assert new_names("layers.three.norm.weight", RULES) == ()


@given(third=st.integers(1, 4), width=st.integers(1, 3))
def test_the_thirds_of_a_tensor_make_it_up_in_order(third: int, width: int) -> None:
    whole = torch.arange(3.0 * third * width).reshape(3 * third, width)
    renamed = translate({"layers.1.qkv.weight": whole}, RULES, IGNORED, PATH)
    assert list(renamed) == [f"blocks.1.{part}.weight" for part in ("query", "key", "value")]
    assert torch.equal(torch.cat(list(renamed.values())), whole)


def test_copies_are_the_whole_tensor_under_each_name() -> None:
    whole = torch.rand(4, 2)
    renamed = translate({"shared.weight": whole}, RULES, IGNORED, PATH)
    assert renamed.keys() == {"here.weight", "there.weight"}
    assert all(torch.equal(tensor, whole) for tensor in renamed.values())


def test_renamed_tensors_can_be_saved_and_changed_one_by_one(tmp_path: Path) -> None:
    tensors = {"shared.weight": torch.rand(4, 2), "layers.1.qkv.weight": torch.rand(6, 2).T.contiguous().T}
    renamed = translate(tensors, RULES, IGNORED, PATH)
    save_file(renamed, tmp_path / "renamed.safetensors")
    before = tensors["shared.weight"].clone()
    renamed["here.weight"].zero_()
    assert torch.equal(renamed["there.weight"], before) and torch.equal(tensors["shared.weight"], before)


def test_values_and_types_stay_as_they_are() -> None:
    tensors = {"layers.0.a": torch.ones(2, dtype=torch.bfloat16), "layers.0.b": torch.tensor(7)}
    renamed = translate(tensors, RULES, IGNORED, PATH)
    assert renamed["first.a"].dtype == torch.bfloat16 and renamed["first.b"].item() == 7


def test_names_that_may_be_left_out_are() -> None:
    tensors = {"old.pooler.weight": torch.ones(1), "position_ids": torch.ones(1), "layers.0.a": torch.ones(1)}
    assert translate(tensors, RULES, IGNORED, PATH).keys() == {"first.a"}


def test_names_without_a_rule_are_listed() -> None:
    tensors = {"stranger.b": torch.ones(1), "layers.0.a": torch.ones(1), "stranger.a": torch.ones(1)}
    with pytest.raises(InputError) as caught:
        translate(tensors, RULES, IGNORED, PATH)
    assert str(caught.value) == (
        "weights.pth has 2 tensors (stranger.a, stranger.b) that this architecture does not know"
    )


def test_a_list_of_names_says_how_many_and_shows_the_first() -> None:
    assert listed(["b"]) == "1 tensor (b)"
    assert listed(["b", "a"]) == "2 tensors (a, b)"
    many = listed([f"layer.{index:03}" for index in reversed(range(200))])
    assert many.startswith("200 tensors (layer.000, layer.001, ") and many.endswith(", ...)") and len(many) < 200
