"""Official SAM and MedSAM files: all three sizes load whole, every tensor where it belongs, and nothing else does."""

import json
import re
from pathlib import Path

import pytest
import torch

from benchmarks.parity.weights import rule_values
from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.sam import sam_from
from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_heads.sam import MedSamFrame, OriginalFrame

GOLDENS = Path(__file__).parents[3] / ".." / "shared" / "goldens" / "medsam"
pytestmark = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the folder of recorded facts that developers have")
PATH = Path("official.pth")
Shapes = dict[str, list[int]]


def base_shapes() -> Shapes:
    """Name -> shape of the official ViT-B."""
    keys = json.loads((GOLDENS / "state_dict_keys.json").read_text(encoding="utf-8"))["keys"]
    return {name: shape for name, (shape, _) in keys.items()}


def larger_shapes(width: int, num_blocks: int, global_blocks: tuple[int, ...], head_width: int) -> Shapes:
    """The list of ViT-B stretched to another image encoder: four widths for the MLP, three for query, key and value."""
    widths = {768: width, 3 * 768: 3 * width, 4 * 768: 4 * width, 64: head_width}
    base = base_shapes()
    block = {name: shape for name, shape in base.items() if name.startswith("image_encoder.blocks.0.")}
    shapes = {
        name: [width if length == 768 else length for length in shape]
        for name, shape in base.items()
        if not name.startswith("image_encoder.blocks.")
    }
    for number in range(num_blocks):
        for name, shape in block.items():
            sizes = [widths.get(length, length) for length in shape]
            if "rel_pos" in name and number in global_blocks:
                sizes[0] = 127  # 2 * 64 - 1 distances on the whole grid
            shapes[re.sub(r"blocks\.0\.", f"blocks.{number}.", name)] = sizes
    return shapes


@pytest.fixture
def base() -> Tensors:
    """ViT-B with zeros that take no memory of their own."""
    return zeros(base_shapes())


def zeros(shapes: Shapes) -> Tensors:
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}


def refusal(tensors: Tensors) -> str:
    """The message of the InputError, which must be one line that names the file."""
    with pytest.raises(InputError) as caught:
        sam_from(tensors, PATH)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(PATH))
    return message


def test_every_tensor_of_the_base_size_lands_where_it_belongs() -> None:
    official = {name: torch.from_numpy(rule_values(name, tuple(shape))) for name, shape in base_shapes().items()}
    ours = dict(sam_from(official, PATH).state_dict())
    key_map = json.loads((GOLDENS / "sam_original_to_hf_keys.json").read_text(encoding="utf-8"))
    assert (len(official), len(ours)) == (314, 315)
    assert {new for news in key_map.values() for new in news} == ours.keys()
    for name, news in key_map.items():
        assert all(torch.equal(ours[new], official[name]) for new in news), name


def test_stretching_the_list_of_the_base_size_to_itself_changes_nothing() -> None:
    assert larger_shapes(768, 12, (2, 5, 8, 11), 64) == base_shapes()


@pytest.mark.parametrize(
    ("width", "num_blocks", "global_blocks", "num_heads"),
    [(768, 12, (2, 5, 8, 11), 12), (1024, 24, (5, 11, 17, 23), 16), (1280, 32, (7, 15, 23, 31), 16)],
)
def test_every_official_size_loads_whole(
    width: int, num_blocks: int, global_blocks: tuple[int, ...], num_heads: int
) -> None:
    shapes = larger_shapes(width, num_blocks, global_blocks, width // num_heads)
    model = sam_from(zeros(shapes), PATH)
    assert not model.training
    assert len(model.state_dict()) == len(shapes) + 1  # the matrix of positions is held twice
    config = model.config.vision_config
    assert (config.num_attention_heads, tuple(config.global_attn_indexes)) == (num_heads, global_blocks)


def test_a_missing_tensor_is_named(base: Tensors) -> None:
    del base["mask_decoder.transformer.norm_final_attn.weight"]
    message = refusal(base)
    assert "missing 1 tensor (mask_decoder.transformer.layer_norm_final_attn.weight)" in message


def test_tensors_that_nobody_knows_are_named(base: Tensors) -> None:
    base["image_encoder.input_Adapter.D_fc1.weight"] = torch.zeros(192, 768)  # SAMUS has such
    assert "1 tensor (image_encoder.input_Adapter.D_fc1.weight)" in refusal(base)


def test_an_unknown_size_is_refused(base: Tensors) -> None:
    fewer = {name: tensor for name, tensor in base.items() if ".blocks.11." not in name}
    assert "width 768 with 11 blocks; known are ViT-B, ViT-L and ViT-H" in refusal(fewer)


def test_another_image_size_is_refused(base: Tensors) -> None:
    base["image_encoder.pos_embed"] = torch.zeros(1, 32, 32, 768)
    message = refusal(base)
    assert (
        "does not fit the architecture" in message and "1 tensor (vision_encoder.pos_embed) of another shape" in message
    )


@pytest.mark.parametrize(
    ("file", "frame"), [("sam_vit_b_01ec64.pth", OriginalFrame), ("medsam_vit_b.pth", MedSamFrame)]
)
def test_a_published_file_becomes_a_frozen_mask_head(base: Tensors, tmp_path: Path, file: str, frame: type) -> None:
    path = tmp_path / file
    torch.save(base, path)
    head = load_mask_head(str(path))
    assert type(head.frame) is frame
    assert head.side == 1024
    assert not head.training and not any(parameter.requires_grad for parameter in head.parameters())
