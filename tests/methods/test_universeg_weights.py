"""UniverSeg's official file loads whole, and nothing else does."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from universeg_files import GOLDENS, official_shapes, official_tensors

from gdinousam.errors import InputError
from gdinousam.methods.universeg.weights import load_universeg
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.runtime import torch_seed

Spoil = Callable[[Tensors], object]


def refusal(path: Path, content: object) -> str:
    """The message of the InputError, which must be one line that names the file."""
    torch.save(content, path)
    with pytest.raises(InputError) as caught:
        load_universeg(str(path))
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path))
    return message


@pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the list of official names that developers have")
def test_the_names_here_are_those_of_the_reference_code() -> None:
    keys = json.loads((GOLDENS / "state_dict_keys.json").read_text(encoding="utf-8"))["keys"]
    assert official_shapes() == {name: tuple(shape) for name, (shape, _) in keys.items()}


@pytest.mark.parametrize("wrapped", [False, True], ids=["flat", "below model"])
def test_an_official_file_loads_whole_frozen_and_in_eval_mode(tmp_path: Path, wrapped: bool) -> None:
    tensors = official_tensors()
    torch.save({"model": tensors, "epoch": 3} if wrapped else tensors, tmp_path / "universeg.pt")
    network = load_universeg(str(tmp_path / "universeg.pt"))
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    loaded = list(network.state_dict().values())
    assert len(loaded) == len(tensors)
    for name, tensor in tensors.items():
        assert sum(torch.equal(tensor, one) for one in loaded) == 1, name


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensors: tensors.pop("out_conv.conv.bias"), r"lacks 1 tensor \(output.bias\); give the official"),
        (lambda tensors: tensors.update({"extra.weight": torch.ones(1)}), r"has 1 tensor \(extra.weight\) that this"),
        (
            lambda tensors: tensors.update({"dec_blocks.3.target.vmapped.conv.bias": torch.ones(64)}),
            r"has 1 tensor \(decoder.3.target.bias\) too many",
        ),
        (
            lambda tensors: tensors.update({"out_conv.conv.weight": torch.ones(1, 32, 1, 1)}),
            r"has 1 tensor \(output.weight\) of another shape",
        ),
    ],
    ids=["missing", "unknown", "too many blocks", "another width"],
)
def test_a_file_that_does_not_fit_is_refused_by_name(tmp_path: Path, spoil: Spoil, message: str) -> None:
    tensors = official_tensors()
    spoil(tensors)
    assert re.search(message, refusal(tmp_path / "universeg.pt", tensors))


def test_a_file_of_another_model_is_refused_by_its_kind(tmp_path: Path) -> None:
    sam = {"image_encoder.patch_embed.proj.weight": torch.zeros(1)}
    assert "holds a SAM model; expected an official UniverSeg file" in refusal(tmp_path / "sam.pt", sam)


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "list.pt", [1, 2])


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"universeg\.pt: no such weight file"):
        load_universeg(str(tmp_path / "universeg.pt"))


@pytest.mark.parametrize(("name", "num_parameters"), [("random", 1_182_785), ("random-small", 18_825)])
def test_random_weights_come_from_the_generator_of_torch_and_give_masks_worth_comparing(
    name: str, num_parameters: int
) -> None:
    networks = []
    for seed in (0, 0, 1):
        with torch_seed(seed):
            networks.append(load_universeg(name))
    assert not networks[0].training
    assert sum(parameter.numel() for parameter in networks[0].parameters()) == num_parameters
    target = torch.linspace(0, 1, 32).repeat(32, 1)[None, None]
    images = target[:, None].transpose(-1, -2)
    with torch.inference_mode():
        first, same, other = (network(target, images, (images > 0.5).float()) for network in networks)
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert all(0.02 < (logits > 0).float().mean() < 0.98 for logits in (first, other))
