"""Official SAM2 files: every size and version loads whole, into the official architecture, and nothing else does."""

from pathlib import Path

import pytest
import torch
from torch import nn

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.sam2 import sam2_from
from gdinousam.models.loading import load_mask_head

pytest.importorskip("sam2", reason="needs the official package sam2")
PATH = Path("official.pt")
VIDEO_PARTS = ("memory_", "maskmem_", "mask_downsample", "obj_ptr_", "no_obj_", "no_mem_pos_enc")


def official_model(config: str) -> nn.Module:
    """A model of the official package with random weights."""
    from sam2.build_sam import build_sam2

    model: nn.Module = build_sam2(f"configs/{config}.yaml", ckpt_path=None, device="cpu")
    return model


@pytest.fixture(scope="module")
def official_tiny() -> Tensors:
    return dict(official_model("sam2.1/sam2.1_hiera_t").state_dict())


@pytest.fixture
def tiny(official_tiny: Tensors) -> Tensors:
    """A table of the tensors to spoil; they are shared."""
    return dict(official_tiny)


def refusal(tensors: Tensors) -> str:
    """The message of the InputError, which must be one line that names the file."""
    with pytest.raises(InputError) as caught:
        sam2_from(tensors, PATH)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(PATH))
    return message


def num_values(tensors: Tensors) -> int:
    return sum(tensor.numel() for tensor in tensors.values())


@pytest.mark.parametrize("version", ["sam2/sam2", "sam2.1/sam2.1"])
@pytest.mark.parametrize("size", ["t", "s", "b+", "l"])
def test_every_official_size_loads_whole_into_the_official_architecture(version: str, size: str) -> None:
    official = official_model(f"{version}_hiera_{size}")
    tensors = dict(official.state_dict())
    model = sam2_from(tensors, PATH)
    assert not model.training
    for_images = {name: tensor for name, tensor in tensors.items() if not name.startswith(VIDEO_PARTS)}
    positions = tensors["sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]  # held twice by transformers
    assert num_values(dict(model.state_dict())) == num_values(for_images) + positions.numel()

    trunk, config = official.image_encoder.trunk, model.config.vision_config.backbone_config
    assert list(config.window_size_per_stage) == list(trunk.window_spec)
    assert list(config.global_attention_blocks) == list(trunk.global_att_blocks)
    assert list(config.window_positional_embedding_background_size) == list(trunk.window_pos_embed_bkg_spatial_size)
    ends = [sum(config.blocks_per_stage[: stage + 1]) - 1 for stage in range(4)]
    assert ends == list(trunk.stage_ends)
    assert list(config.num_attention_heads_per_stage) == [trunk.blocks[end].attn.num_heads for end in ends]
    assert list(config.embed_dim_per_stage) == list(trunk.channel_list)[::-1]
    assert (config.hidden_size, config.num_attention_heads) == (trunk.blocks[0].dim, trunk.blocks[0].attn.num_heads)
    assert list(model.config.vision_config.backbone_channel_list) == list(trunk.channel_list)


def test_an_unstable_mask_is_replaced_as_in_the_official_predictor() -> None:
    official = official_model("sam2.1/sam2.1_hiera_t")
    decoder = official.sam_mask_decoder
    config = sam2_from(dict(official.state_dict()), PATH).config.mask_decoder_config
    assert config.dynamic_multimask_via_stability is decoder.dynamic_multimask_via_stability is True
    assert config.dynamic_multimask_stability_delta == decoder.dynamic_multimask_stability_delta
    assert config.dynamic_multimask_stability_thresh == decoder.dynamic_multimask_stability_thresh


def test_a_missing_tensor_is_named(tiny: Tensors) -> None:
    del tiny["image_encoder.trunk.blocks.3.attn.qkv.bias"]
    message = refusal(tiny)
    assert "missing 1 tensor (" in message and "backbone.blocks.3.attn.qkv.bias" in message


def test_a_missing_kind_of_point_is_named(tiny: Tensors) -> None:
    del tiny["sam_prompt_encoder.point_embeddings.2.weight"]
    assert "missing 1 tensor (sam_prompt_encoder.point_embeddings.2.weight)" in refusal(tiny)


def test_tensors_that_nobody_knows_are_named(tiny: Tensors) -> None:
    tiny |= {f"image_encoder.surprise.{number}": torch.zeros(1) for number in range(7)}
    assert "7 tensors (image_encoder.surprise.0, " in refusal(tiny)


def test_a_block_beyond_the_known_sizes_is_an_unknown_size(tiny: Tensors) -> None:
    tiny |= {
        name.replace("blocks.11.", "blocks.12."): tensor for name, tensor in tiny.items() if ".trunk.blocks.11." in name
    }
    assert "width 96 with 13 blocks; known are tiny, small, base_plus and large" in refusal(tiny)


def test_a_file_without_image_encoder_is_an_unknown_size(tiny: Tensors) -> None:
    rest = {name: tensor for name, tensor in tiny.items() if not name.startswith("image_encoder.trunk.")}
    assert "width 0 with 0 blocks" in refusal(rest)


def test_a_tensor_of_another_shape_is_refused(tiny: Tensors) -> None:
    tiny["image_encoder.trunk.pos_embed"] = torch.zeros(1, 96, 14, 14)
    assert "does not fit the architecture" in refusal(tiny)


@pytest.mark.parametrize("entry", ["model", None])
def test_a_published_file_becomes_a_frozen_mask_head(official_tiny: Tensors, tmp_path: Path, entry: str | None) -> None:
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    torch.save({entry: official_tiny} if entry else official_tiny, path)
    head = load_mask_head(str(path))
    assert head.side == 1024
    assert not head.training and not any(parameter.requires_grad for parameter in head.parameters())


def test_a_grounding_dino_is_no_mask_head(tmp_path: Path) -> None:
    path = tmp_path / "groundingdino.pth"
    torch.save(
        {"model": {"transformer.level_embed": torch.zeros(4, 256), "feat_map.weight": torch.zeros(256, 768)}}, path
    )
    with pytest.raises(InputError, match=r"groundingdino\.pth holds a Grounding DINO model; expected an official SAM2"):
        load_mask_head(str(path))


def test_a_cut_off_file_is_refused(official_tiny: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    torch.save({"model": official_tiny}, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"sam2\.1_hiera_tiny\.pt is cut off or no torch file; fetch it again$"):
        load_mask_head(str(path))
