"""The network of SAMUS, small: what depends on what, what is trained, and which sizes fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from samus_files import by_rule, samus_shapes, small_samus

from benchmarks.parity.weights import fill_by_rule
from gdinousam.methods.samus.config import SMALL, SamusConfig
from gdinousam.methods.samus.encoder import GlobalBlock, WindowBlock
from gdinousam.methods.samus.network import Samus, freeze_as_published, trainable_names
from gdinousam.methods.samus.weights import samus_from
from gdinousam.runtime import torch_seed

SIDE, GRID, WIDTH = SMALL.image_size, SMALL.grid, SMALL.width
POINTS_XY = torch.tensor([[[20.0, 30.0], [5.0, 60.0]], [[40.0, 8.0], [33.0, 31.0]]])
LABELS = torch.tensor([[1, 0], [1, 1]])
# written down when the network of full size agreed with the official code, for machines without its recorded outputs
ENCODED = [
    -0.7892, -1.2494, -0.4118, -1.5141, 0.2413, 0.8209, -2.3355, -0.6201,
    1.4498, 0.4067, 1.3303, 0.163, -2.0395, -1.6364, -1.4014, -2.1709,
]  # fmt: skip
LOGITS = [
    -0.2289, 0.213, 0.3781, 0.2275, 0.1108, 0.6801, 0.7171, 0.9704,
    -0.1971, 0.7245, 0.1169, 0.034, 0.1491, 0.3227, -0.0926, -0.0323,
]  # fmt: skip


@pytest.fixture
def samus() -> Samus:
    return small_samus()


@pytest.fixture(scope="module")
def pixel_values() -> torch.Tensor:
    with torch_seed(0):
        return torch.rand(2, 1, SIDE, SIDE).expand(-1, 3, -1, -1)


def test_a_small_network_answers_as_when_the_large_one_answered_as_recorded() -> None:
    model = samus_from(by_rule(samus_shapes(SMALL)), Path("SAMUS.pth"), SMALL)
    image = torch.from_numpy(np.random.RandomState(0).uniform(size=(1, 1, SIDE, SIDE))).float()
    with torch.inference_mode():
        encoded = model.encode(image.expand(-1, 3, -1, -1))
        logits = model.decode(encoded, torch.tensor([[[[20.0, 30.0], [50.0, 8.0]]]]), torch.tensor([[[1, 0]]]))
    assert torch.allclose(encoded[0, ::9, ::7, ::7].flatten(), torch.tensor(ENCODED), atol=2e-4)
    assert torch.allclose(logits[0, 0, 1::9, 2::9].flatten(), torch.tensor(LOGITS), atol=2e-4)


def test_logits_cover_half_of_the_square(samus: Samus, pixel_values: torch.Tensor) -> None:
    logits = samus(pixel_values, POINTS_XY, LABELS)
    assert logits.shape == (2, 1, SIDE // 2, SIDE // 2) and logits.dtype == torch.float32
    assert (logits > 0).any() and (logits < 0).any()


def test_an_image_is_encoded_once_for_all_its_clicks(samus: Samus, pixel_values: torch.Tensor) -> None:
    encoded = samus.encode(pixel_values)
    assert encoded.shape == (2, SMALL.embed_width, GRID, GRID)
    logits = samus.decode(encoded, POINTS_XY[:, None], LABELS[:, None])
    assert torch.equal(logits, samus(pixel_values, POINTS_XY, LABELS))


def test_a_batch_gives_the_logits_of_single_images(samus: Samus, pixel_values: torch.Tensor) -> None:
    together = samus(pixel_values, POINTS_XY, LABELS)
    alone = [samus(pixel_values[row : row + 1], POINTS_XY[row : row + 1], LABELS[row : row + 1]) for row in range(2)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_objects_of_an_image_do_not_see_each_other(samus: Samus, pixel_values: torch.Tensor) -> None:
    encoded = samus.encode(pixel_values[:1])
    together = samus.decode(encoded, POINTS_XY[None], LABELS[None])
    alone = [samus.decode(encoded, POINTS_XY[None, row, None], LABELS[None, row, None]) for row in range(2)]
    assert torch.allclose(together, torch.cat(alone, dim=1), atol=1e-5)


def test_clicks_stay_as_they_were_given(samus: Samus, pixel_values: torch.Tensor) -> None:
    points_xy, labels = POINTS_XY.clone(), LABELS.clone()
    samus(pixel_values, points_xy, labels)
    assert torch.equal(points_xy, POINTS_XY) and torch.equal(labels, LABELS)


@pytest.mark.parametrize("changed", ["place", "label"])
def test_place_and_label_of_every_click_count(samus: Samus, pixel_values: torch.Tensor, changed: str) -> None:
    before = samus(pixel_values, POINTS_XY, LABELS)
    points_xy, labels = POINTS_XY.clone(), LABELS.clone()
    if changed == "place":
        points_xy[:, 1] += 5
    else:
        labels[:, 1] = 1 - labels[:, 1]
    assert (samus(pixel_values, points_xy, labels) - before).abs().amax(dim=(1, 2, 3)).min() > 1e-3


def random_tokens() -> torch.Tensor:
    with torch_seed(1):
        return torch.randn(1, GRID, GRID, WIDTH)


def random_features() -> torch.Tensor:
    with torch_seed(2):
        return torch.randn(1, WIDTH, GRID, GRID)


def moved_tokens(block: WindowBlock | GlobalBlock, row: int, column: int) -> torch.Tensor:
    """(G, G): which tokens the answer changes for, if the one at this place changes."""
    tokens, features = random_tokens(), random_features()
    changed = tokens.clone()
    changed[0, row, column] += torch.arange(WIDTH) / WIDTH
    difference = (block(changed, features)[0] - block(tokens, features)[0]).abs().amax(dim=-1)[0]
    return difference > 1e-6


@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 1), (7, 6)])
def test_a_window_block_keeps_within_windows(samus: Samus, row: int, column: int) -> None:
    block, size = samus.image_encoder.blocks[0], SMALL.window_size
    assert isinstance(block, WindowBlock)
    expected = torch.zeros(GRID, GRID, dtype=torch.bool)
    top, left = row - row % size, column - column % size
    expected[top : top + size, left : left + size] = True  # windows at the edge are cut off
    assert torch.equal(moved_tokens(block, row, column), expected)


def test_a_global_block_reaches_everywhere(samus: Samus) -> None:
    block = samus.image_encoder.blocks[1]
    assert isinstance(block, GlobalBlock)
    assert moved_tokens(block, 0, 0).all()


def test_relative_positions_tell_an_image_from_its_mirror_image(samus: Samus) -> None:
    attention = samus.image_encoder.blocks[1].attn
    tokens = random_tokens()
    mirrored = attention(tokens.flip(2)).flip(2)
    assert not torch.allclose(mirrored, attention(tokens), atol=1e-3)
    with torch.no_grad():  # the mirror image of a table counts its distances the other way round
        attention.rel_pos_w.copy_(attention.rel_pos_w.flip(0))
    assert torch.allclose(mirrored, attention(tokens), atol=1e-5)


def test_only_global_blocks_look_at_the_convolutional_branch(samus: Samus) -> None:
    tokens, features = random_tokens(), random_features()
    for place, block in enumerate(samus.image_encoder.blocks):
        after, features_after = block(tokens, features)
        is_global = place in SMALL.global_blocks
        assert torch.equal(after, block(tokens, features + 1)[0]) is not is_global
        assert torch.equal(features, features_after) is not is_global


def test_frozen_as_published_gradients_reach_what_is_trained_and_nothing_else(
    samus: Samus, pixel_values: torch.Tensor
) -> None:
    freeze_as_published(samus)
    samus(pixel_values, POINTS_XY, LABELS).square().mean().backward()
    reached = {name for name, parameter in samus.named_parameters() if parameter.grad is not None}
    moved = {name for name, parameter in samus.named_parameters() if name in reached and parameter.grad.any()}
    # the last block refines features that are added to the tokens, so that all of it counts
    assert reached == trainable_names(samus)
    # a bias of keys moves all scores of a query alike, which softmax does not see
    assert {name for name in reached - moved if not name.endswith("cross.k.bias")} == set()


def test_what_is_trained_is_a_small_part_of_every_kind(samus: Samus) -> None:
    trained = trainable_names(samus)
    assert trained < {name for name, _ in samus.named_parameters()}
    for part in (
        "cnn_stem",
        "cnn_stages.2",
        "pos_reduce",
        "input_adapter",
        "blocks.3.cross",
        "blocks.1.attn.rel_pos_h",
    ):
        assert any(name.startswith(f"image_encoder.{part}") for name in trained), part
    assert not [name for name in trained if "blocks.0" in name or "blocks.2" in name or name.startswith("sam.")]


def test_random_weights_follow_the_seed() -> None:
    models = []
    for seed in (3, 3, 4):
        with torch_seed(seed):
            models.append(Samus(SMALL).state_dict())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert any(not torch.equal(models[0][name], models[2][name]) for name in models[0])


def test_random_positions_are_as_smooth_as_those_of_sam() -> None:
    with torch_seed(0):
        matrix = Samus(SMALL).sam.shared_image_embedding.positional_embedding
    assert 0.5 < matrix.std() < 2


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"image_size": 100}, "image_size = 100 must be a multiple of 8"),
        ({"num_heads": 5}, "width = 768 must be a multiple of num_heads = 5"),
        ({"global_blocks": (2, 12)}, "must lie in 0 .. 11"),
        ({"depth": 0}, "greater than 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SamusConfig(**sizes)  # type: ignore[arg-type]


def test_other_image_sizes_work() -> None:
    model = Samus(SamusConfig(**{**vars(SMALL), "image_size": 96}))
    fill_by_rule(model)
    assert model(torch.rand(1, 3, 96, 96), POINTS_XY[:1], LABELS[:1]).shape == (1, 1, 48, 48)


def test_the_random_frequencies_of_positions_are_never_trained() -> None:
    assert not Samus(SMALL).sam.shared_image_embedding.positional_embedding.requires_grad
