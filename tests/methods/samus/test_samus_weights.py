"""Weights of SAMUS from every source: sound files are read whole, others are refused by name."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from samus_files import by_rule, sam_shapes, samus_shapes, small_samus

from gdinousam.errors import InputError
from gdinousam.methods.samus.config import SMALL, SamusConfig
from gdinousam.methods.samus.network import Samus, added_names, resized_names
from gdinousam.methods.samus.weights import (
    RULES,
    load_samus,
    samus_from,
    samus_from_sam,
    save_samus,
    start_from_sam,
)
from gdinousam.methods.trained_folder import config_name, weights_name
from gdinousam.models.checkpoints.files import Tensors, kind_of, read_tensors
from gdinousam.models.checkpoints.keys import new_names
from gdinousam.runtime import torch_seed

PATH = Path("SAMUS.pth")
CONFIG_FILE, WEIGHTS_FILE = config_name("samus"), weights_name("samus")


@pytest.fixture(scope="module")
def official() -> Tensors:
    """A small official SAMUS file."""
    return by_rule(samus_shapes(SMALL))


@pytest.fixture(scope="module")
def sam() -> Tensors:
    """A small official SAM file."""
    return by_rule(sam_shapes(SMALL))


def same_state(first: Samus, second: Samus) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def answer(model: Samus) -> torch.Tensor:
    with torch_seed(0), torch.inference_mode():
        image = torch.rand(1, 3, model.config.image_size, model.config.image_size)
        return model(image, torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]]))


def test_every_tensor_of_an_official_file_finds_its_place(official: Tensors) -> None:
    model = samus_from(official, PATH, SMALL)
    state = model.state_dict()
    placed = {target: tensor for name, tensor in official.items() for target in new_names(name, RULES)}
    assert placed.keys() == state.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in placed.items())
    assert not model.training


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("entry", [None, "state_dict"])
def test_files_of_distributed_training_and_checkpoints_are_read(
    tmp_path: Path, official: Tensors, prefix: str, entry: str | None
) -> None:
    content = {f"{prefix}{name}": tensor for name, tensor in official.items()}
    torch.save(content if entry is None else {entry: content, "epoch": 3}, tmp_path / "w.pth")
    read = read_tensors(tmp_path / "w.pth")
    assert kind_of(read) == "SAMUS"
    assert same_state(samus_from(read, PATH, SMALL), samus_from(official, PATH, SMALL))


@pytest.mark.parametrize("name", ["image_encoder.blocks.1.Space_Adapter.q.bias", "mask_decoder.iou_token.weight"])
def test_a_missing_tensor_is_named(official: Tensors, name: str) -> None:
    lacking = {key: tensor for key, tensor in official.items() if key != name}
    with pytest.raises(InputError, match=r"^SAMUS.pth lacks 1 tensor \(.*; it is another architecture$") as caught:
        samus_from(lacking, PATH, SMALL)
    assert new_names(name, RULES)[0] in str(caught.value)


@pytest.mark.parametrize("name", ["image_encoder.blocks.1.Time_Adapter.q.bias", "mask_decoder.more", "epoch"])
def test_a_tensor_without_a_place_is_named(official: Tensors, name: str) -> None:
    with pytest.raises(InputError, match=rf"^SAMUS.pth has 1 tensor \({name}\) that this architecture does not know"):
        samus_from(official | {name: torch.zeros(1)}, PATH, SMALL)


def test_a_block_too_many_is_named(official: Tensors) -> None:
    more = dataclasses.replace(SMALL, depth=5)
    with pytest.raises(InputError, match=r"^SAMUS.pth has unknown 14 tensors \(image_encoder.blocks.4"):
        samus_from(by_rule(samus_shapes(more)), PATH, SMALL)


def test_a_tensor_of_another_shape_is_named(official: Tensors) -> None:
    changed = official | {"image_encoder.pos_embed": torch.zeros(1, 8, 8, 32)}
    with pytest.raises(InputError, match=r"has of another shape 1 tensor \(image_encoder.pos_embed\); it is another"):
        samus_from(changed, PATH, SMALL)


def test_files_of_other_models_are_refused_by_name(tmp_path: Path, official: Tensors, sam: Tensors) -> None:
    torch.save(official, tmp_path / "samus.pth")
    torch.save(sam, tmp_path / "sam.pth")
    with pytest.raises(InputError, match=r"sam.pth holds a SAM model; expected an official SAMUS file"):
        load_samus(str(tmp_path / "sam.pth"))
    with pytest.raises(InputError, match=r"samus.pth holds a SAMUS model; expected an official SAM file"):
        start_from_sam(str(tmp_path / "samus.pth"))
    with pytest.raises(InputError, match=r"none.pth: no such weight file"):
        load_samus(str(tmp_path / "none.pth"))
    with pytest.raises(InputError, match=r"none.pth: no such weight file"):
        start_from_sam(str(tmp_path / "none.pth"))


def test_an_official_file_of_another_size_is_refused(tmp_path: Path, official: Tensors) -> None:
    torch.save(official, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w.pth lacks .* it is another architecture"):
        load_samus(str(tmp_path / "w.pth"))


def test_random_weights_need_no_file() -> None:
    with torch_seed(5):
        model = load_samus("random-small")
    with torch_seed(5):
        assert same_state(start_from_sam("random-small"), model)
    assert model.config == SMALL and not model.training
    logits = answer(model)
    assert logits.std() > 0.01  # not as good as zero everywhere


def test_a_start_from_sam_takes_over_what_both_have(sam: Tensors) -> None:
    state = samus_from_sam(sam, PATH, SMALL).state_dict()
    resized = resized_names(Samus(SMALL))
    for name, tensor in sam.items():
        for target in new_names(name, RULES):
            if target in resized:
                expected = F.interpolate(tensor[None, None], (2 * SMALL.grid - 1, tensor.shape[1]), mode="bilinear")
                assert torch.equal(state[target], expected[0, 0])
            else:
                assert torch.equal(state[target], tensor), name


def test_what_sam_lacks_comes_from_torchs_generator(sam: Tensors) -> None:
    states = []
    for seed in (1, 1, 2):
        with torch_seed(seed):
            states.append(samus_from_sam(sam, PATH, SMALL).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    changed = {name for name in states[0] if not torch.equal(states[0][name], states[2][name])}
    assert changed == {name for name in added_names(Samus(SMALL)) if not name.endswith(("norm.weight", "norm.bias"))}


@pytest.mark.parametrize("name", ["image_encoder.neck.2.weight", "image_encoder.blocks.1.attn.rel_pos_w"])
def test_a_sam_with_a_missing_tensor_is_refused(sam: Tensors, name: str) -> None:
    lacking = {key: tensor for key, tensor in sam.items() if key != name}
    with pytest.raises(InputError, match=rf"lacks 1 tensor \({new_names(name, RULES)[0]}\)"):
        samus_from_sam(lacking, PATH, SMALL)


def test_a_wider_sam_is_refused() -> None:
    wider = by_rule(sam_shapes(dataclasses.replace(SMALL, width=64)))
    with pytest.raises(InputError, match=r"has of another shape \d+ tensors .* it is another architecture"):
        samus_from_sam(wider, PATH, SMALL)


def test_a_saved_model_answers_the_same(tmp_path: Path) -> None:
    model = small_samus()
    save_samus(model, tmp_path)
    loaded = load_samus(str(tmp_path))
    assert loaded.config == SMALL and not loaded.training
    assert same_state(loaded, model) and torch.equal(answer(loaded), answer(model))


def test_a_saved_model_says_that_it_is_not_the_published_one(tmp_path: Path) -> None:
    save_samus(small_samus(), tmp_path)
    note = json.loads((tmp_path / CONFIG_FILE).read_text("utf-8"))["note"]
    assert "trained by gdinousam" in note and "not the published weights" in note


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"has no {CONFIG_FILE}; give SAMUS's official file or a folder"):
        load_samus(str(tmp_path))


def test_a_saved_model_without_its_weights_is_refused(tmp_path: Path) -> None:
    save_samus(small_samus(), tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(InputError, match=rf"{WEIGHTS_FILE}: no such weight file"):
        load_samus(str(tmp_path))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, r"config: .*; restore it$"),
        ({"image_size": 60}, r"config: .*image_size = 60 must be a multiple of 8; restore it$"),
        ({"depth": "many"}, r"config.depth: .*; restore it$"),
        ({"colour": 1}, r"config.colour: .*; restore it$"),
    ],
)
def test_sizes_that_were_damaged_are_refused(tmp_path: Path, config: dict[str, object] | None, said: str) -> None:
    save_samus(small_samus(), tmp_path)
    content = {} if config is None else {"config": dataclasses.asdict(SMALL) | config}
    (tmp_path / CONFIG_FILE).write_text(json.dumps(content), "utf-8")
    with pytest.raises(InputError, match=rf"{CONFIG_FILE}: {said}"):
        load_samus(str(tmp_path))


def test_sizes_of_another_model_beside_the_weights_are_refused(tmp_path: Path) -> None:
    save_samus(small_samus(), tmp_path)
    other = dataclasses.asdict(dataclasses.replace(SMALL, adapter_width=16))
    (tmp_path / CONFIG_FILE).write_text(json.dumps({"config": other}), "utf-8")
    with pytest.raises(InputError, match=rf"{WEIGHTS_FILE} has of another shape"):
        load_samus(str(tmp_path))


def test_the_published_sizes_are_the_default() -> None:
    assert SamusConfig().grid == 32 and SamusConfig().global_blocks == (2, 5, 8, 11)
