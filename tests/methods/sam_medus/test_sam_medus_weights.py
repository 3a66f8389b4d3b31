"""Weights from every source: folders of our own are read whole, SAM is the start, all else is refused by name."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from sam_medus_files import TINY, sam_head, tiny_sam_medus

from gdinousam.errors import InputError
from gdinousam.methods.sam_medus.config import SMALL
from gdinousam.methods.sam_medus.weights import (
    is_of_sam,
    load_sam_medus,
    name_of_ours,
    sam_medus_from_sam,
    save_sam_medus,
    start_from_sam,
)
from gdinousam.methods.trained_folder import config_name, weights_name
from gdinousam.models.bundled import SMALL_MASK_HEAD
from gdinousam.runtime import torch_seed

CONFIG_FILE, WEIGHTS_FILE = config_name("sam_medus"), weights_name("sam_medus")


@torch.inference_mode()
def test_what_is_saved_gives_the_same_masks(tmp_path: Path) -> None:
    model = tiny_sam_medus()
    save_sam_medus(model, tmp_path)
    loaded = load_sam_medus(str(tmp_path))
    squares = torch.randn(1, 3, 64, 64)
    boxes_xyxy = torch.tensor([[[5.0, 5.0, 30.0, 40.0]]])
    assert loaded.config == TINY and not loaded.training
    assert torch.equal(loaded(squares, boxes_xyxy), model(squares, boxes_xyxy))
    note = json.loads((tmp_path / CONFIG_FILE).read_text("utf-8"))["note"]
    assert "approximation" in note and "not the network of SAM-MedUS's authors" in note


def test_random_weights_come_from_torch_s_generator() -> None:
    models = []
    for _ in range(2):
        with torch_seed(0):
            models.append(load_sam_medus("random-small"))
    first, second = (model.state_dict() for model in models)
    assert models[0].config == SMALL and all(torch.equal(first[name], second[name]) for name in first)


def test_what_sam_has_is_copied_and_the_rest_is_new() -> None:
    head = sam_head(TINY.image_size)
    model = sam_medus_from_sam(head, "sam", TINY)
    ours, theirs = model.state_dict(), head.state_dict()
    assert {name for name in ours if is_of_sam(name)} == set(map(name_of_ours, theirs))
    assert all(torch.equal(ours[name_of_ours(name)], tensor) for name, tensor in theirs.items())
    added = {name.split(".")[2] for name in ours if not is_of_sam(name)}
    assert added == {"branch", "joints"}


def test_positions_of_larger_images_are_resized() -> None:
    head = sam_head(128)
    model = sam_medus_from_sam(head, "sam", TINY)
    ours, theirs = model.state_dict(), head.state_dict()
    table = theirs["model.vision_encoder.layers.4.attn.rel_pos_h"]  # of a global block: 2 x 8 - 1
    expected = F.interpolate(table.T[None], 7, mode="linear")[0].T
    assert torch.equal(ours["model.vision_encoder.vit.layers.4.attn.rel_pos_h"], expected)
    window = "layers.3.attn.rel_pos_h"
    assert torch.equal(ours[f"model.vision_encoder.vit.{window}"], theirs[f"model.vision_encoder.{window}"])
    assert ours["model.vision_encoder.vit.pos_embed"].shape == (1, 4, 4, 32)


def test_an_even_ramp_of_positions_stays_even() -> None:
    head = sam_head(128)
    with torch.no_grad():
        head.model.vision_encoder.pos_embed.copy_(torch.arange(8.0)[None, :, None, None].expand(1, 8, 8, 32))
    positions = sam_medus_from_sam(head, "sam", TINY).state_dict()["model.vision_encoder.vit.pos_embed"]
    steps = positions[0, :, 0, 0].diff()
    assert torch.allclose(steps[1:-1], torch.tensor(2.0), atol=0.1)
    assert torch.allclose(positions, positions.mean(dim=(2, 3), keepdim=True).expand_as(positions))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", r"nowhere is not a folder; give a folder that baselines/trainSamMedUS.py wrote"),
        ("SAM-MedUS.pth", r"SAM-MedUS.pth is not a folder; .* has no published weights"),
    ],
)
def test_there_are_no_other_weights(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_sam_medus(name)


def test_a_folder_without_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"has no {CONFIG_FILE}; give a folder that baselines/trainSamMedUS.py wrote"):
        load_sam_medus(str(tmp_path))


def test_weights_of_other_sizes_are_refused_by_name(tmp_path: Path) -> None:
    save_sam_medus(tiny_sam_medus(), tmp_path)
    other = asdict(replace(TINY, joint_width=16))
    (tmp_path / CONFIG_FILE).write_text(json.dumps({"config": other}), "utf-8")
    with pytest.raises(InputError, match=rf"{WEIGHTS_FILE} has of another shape .*joints\.0\.from_branch"):
        load_sam_medus(str(tmp_path))


def test_a_damaged_size_is_refused_by_its_key(tmp_path: Path) -> None:
    save_sam_medus(tiny_sam_medus(), tmp_path)
    (tmp_path / CONFIG_FILE).write_text(json.dumps({"config": asdict(TINY) | {"depth": "many"}}), "utf-8")
    with pytest.raises(InputError, match=rf"{CONFIG_FILE}: config.depth: .*; restore it$"):
        load_sam_medus(str(tmp_path))


def test_sizes_that_no_network_can_have_are_refused(tmp_path: Path) -> None:
    save_sam_medus(tiny_sam_medus(), tmp_path)
    (tmp_path / CONFIG_FILE).write_text(json.dumps({"config": asdict(TINY) | {"decoder_num_heads": 5}}), "utf-8")
    with pytest.raises(InputError, match=rf"{CONFIG_FILE}: config: .*; restore it$"):
        load_sam_medus(str(tmp_path))


def test_a_sam_of_another_size_is_no_start() -> None:
    with pytest.raises(InputError, match=r"another.pth .*; give SAM ViT-B's weights"):
        sam_medus_from_sam(sam_head(64), "another.pth", replace(TINY, width=64))


def test_sam2_is_no_start() -> None:
    with pytest.raises(InputError, match=r"holds a SAM2 model; baseline.start of sam_medus names SAM ViT-B's weights"):
        start_from_sam(str(SMALL_MASK_HEAD))
