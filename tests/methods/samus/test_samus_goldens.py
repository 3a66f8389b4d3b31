"""SAMUS of full size answers as the official code does, with the weights that its outputs were recorded with."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from samus_files import GOLDENS, by_rule, needs_goldens, sam_shapes, samus_shapes

from gdinousam.methods.samus.config import SamusConfig
from gdinousam.methods.samus.encoder import GlobalBlock
from gdinousam.methods.samus.network import (
    Samus,
    added_names,
    freeze_as_published,
    resized_names,
    trainable_names,
)
from gdinousam.methods.samus.segmenter import SamusSegmenter, square_of
from gdinousam.methods.samus.weights import RULES, load_samus, samus_from_sam
from gdinousam.methods.true_hints import fixed_click, random_click
from gdinousam.models.checkpoints.keys import new_names
from gdinousam.prediction.correcting import point_in_square
from gdinousam.records import Click, Image, Mask

pytestmark = needs_goldens

ENCODER_TOLERANCE = 1e-5
# a tenth of what SAM's logits are usually allowed: another epsilon in the norms of the decoder moves them by 3e-4
LOGIT_TOLERANCE = 5e-5
FRAME = 256
CASES = ["c0", "c1", "c2"]
Recorded = dict[str, npt.NDArray[np.generic]]


def read_arrays(name: str) -> Recorded:
    with np.load(GOLDENS / name, allow_pickle=False) as arrays:
        return dict(arrays)


def read_names(name: str) -> dict[str, list[str]]:
    """The lists of names in a JSON file of the goldens."""
    return {key: value for key, value in json.loads((GOLDENS / name).read_text("utf-8")).items() if key != "keys"}


def read_shapes(name: str) -> dict[str, tuple[int, ...]]:
    keys = json.loads((GOLDENS / name).read_text("utf-8"))["keys"]
    return {key: tuple(shape) for key, (shape, _) in keys.items()}


def ours(official: list[str]) -> set[str]:
    return {target for name in official for target in new_names(name, RULES)}


def difference(found: torch.Tensor, expected: npt.NDArray[np.generic]) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found.numpy() - expected).max())


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return read_arrays("forward.npz")


@pytest.fixture(scope="module")
def pipeline() -> Recorded:
    return read_arrays("data_pipeline.npz")


@pytest.fixture(scope="module")
def samus(tmp_path_factory: pytest.TempPathFactory) -> Samus:
    """Read from a file as distributed training of the official code writes it."""
    path = tmp_path_factory.mktemp("samus") / "SAMUS.pth"
    tensors = by_rule(read_shapes("state_dict_keys.json"))
    torch.save({f"module.{name}": tensor for name, tensor in tensors.items()}, path)
    model = load_samus(str(path))
    path.unlink()  # half a gigabyte, and pytest keeps the folders of several runs
    return model


@pytest.fixture(scope="module")
def pixel_values(recorded: Recorded) -> torch.Tensor:
    return torch.from_numpy(recorded["image_u8"]).float().expand(-1, 3, -1, -1) / 255


@pytest.fixture(scope="module")
def block_answers(samus: Samus) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
    """Tokens and features behind every block, once an image was encoded."""
    answers: list[tuple[torch.Tensor, torch.Tensor]] = []
    blocks = samus.image_encoder.blocks
    handles = [block.register_forward_hook(lambda module, shown, answer: answers.append(answer)) for block in blocks]
    yield answers
    for handle in handles:
        handle.remove()


@pytest.fixture(scope="module")
def encoded(
    samus: Samus, pixel_values: torch.Tensor, block_answers: list[tuple[torch.Tensor, torch.Tensor]]
) -> torch.Tensor:
    with torch.inference_mode():
        return samus.encode(pixel_values)


@pytest.fixture(scope="module", autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def clicks_of(recorded: Recorded, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, N, 2) points and (B, N) labels."""
    return torch.from_numpy(recorded[f"points{count}"]), torch.from_numpy(recorded[f"labels{count}"])


def test_the_official_file_has_the_names_and_shapes_that_other_tests_make() -> None:
    assert samus_shapes(SamusConfig()) == read_shapes("state_dict_keys.json")
    assert sam_shapes(SamusConfig()) == read_shapes("sam_vit_b_state_dict_keys.json")


@pytest.mark.slow
def test_before_the_blocks_all_is_as_recorded(samus: Samus, recorded: Recorded, pixel_values: torch.Tensor) -> None:
    encoder = samus.image_encoder
    features = encoder.image_features(pixel_values).permute(0, 2, 3, 1)
    found = {"cnn_embed": features, "patch_embed": encoder.patch_tokens(pixel_values), "pos": encoder.positions()}
    for name, values in found.items():
        assert difference(values[:, ::4, ::4, :16], recorded[f"{name}_probe"]) < ENCODER_TOLERANCE, name


@pytest.mark.slow
@pytest.mark.usefixtures("encoded")
def test_every_block_gives_what_was_recorded(
    samus: Samus, recorded: Recorded, block_answers: list[tuple[torch.Tensor, torch.Tensor]]
) -> None:
    blocks = samus.image_encoder.blocks
    # later images, which other tests encode, come behind
    for place, (block, (tokens, features)) in enumerate(zip(blocks, block_answers[: len(blocks)], strict=True)):
        name = f"block{place:02d}"
        assert difference(tokens[:, ::8, ::8, :8], recorded[f"{name}_x_probe"]) < ENCODER_TOLERANCE, name
        if isinstance(block, GlobalBlock):
            probe = features.permute(0, 2, 3, 1)[:, ::8, ::8, :8]
            assert difference(probe, recorded[f"{name}_cnn_probe"]) < ENCODER_TOLERANCE, name
        both = (tokens.double(), features.double())
        stats = torch.stack([value for one in both for value in (one.mean(), one.std(correction=0))])
        assert difference(stats, recorded[f"{name}_stats"]) < ENCODER_TOLERANCE, name


@pytest.mark.slow
def test_images_are_encoded_as_recorded(encoded: torch.Tensor, recorded: Recorded) -> None:
    assert difference(encoded[:, ::8], recorded["image_embedding"]) < ENCODER_TOLERANCE


@pytest.mark.slow
def test_clicks_and_positions_are_embedded_as_recorded(samus: Samus, recorded: Recorded) -> None:
    points_xy, labels = clicks_of(recorded, 1)
    sparse, dense = samus.sam.prompt_encoder(points_xy[:, None], labels[:, None], None, None)
    assert difference(sparse[:, 0], recorded["sparse1"]) < ENCODER_TOLERANCE
    assert difference(dense[0, :, 0, 0], recorded["dense_const"]) == 0
    positions = samus.sam.get_image_wide_positional_embeddings()[0, :, ::4, ::4]
    assert difference(positions, recorded["dense_pe_probe"]) < ENCODER_TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3])
def test_clicks_on_one_object_are_answered_as_recorded(
    samus: Samus, encoded: torch.Tensor, recorded: Recorded, count: int
) -> None:
    points_xy, labels = clicks_of(recorded, count)
    logits = samus.decode(encoded, points_xy[:, None], labels[:, None])
    assert difference(logits, recorded[f"low_res_logits{count}"]) < LOGIT_TOLERANCE


@pytest.mark.slow
def test_clicks_on_several_objects_are_answered_as_recorded(
    samus: Samus, encoded: torch.Tensor, recorded: Recorded
) -> None:
    points_xy, labels = clicks_of(recorded, 3)
    logits = samus.decode(encoded, points_xy[:, :, None], labels[:, :, None])
    assert difference(logits[:, :, ::2, ::2], recorded["low_res_logits_per_point"]) < LOGIT_TOLERANCE


@pytest.mark.slow
def test_logits_come_to_the_square_as_recorded(samus: Samus, recorded: Recorded) -> None:
    logits = SamusSegmenter(samus).square_logits(torch.from_numpy(recorded["low_res_logits1"]))
    assert difference(logits[:, :, ::2, ::2], recorded["masks1_sub2"]) < ENCODER_TOLERANCE


@pytest.mark.slow
def test_the_other_three_masks_are_judged_as_recorded(samus: Samus, encoded: torch.Tensor, recorded: Recorded) -> None:
    points_xy, labels = clicks_of(recorded, 1)
    output = samus.sam(
        image_embeddings=encoded, input_points=points_xy[:, None], input_labels=labels[:, None], multimask_output=True
    )
    assert difference(output.iou_scores[:, 0], recorded["multimask_iou"]) < LOGIT_TOLERANCE


@pytest.mark.slow
def test_a_colour_image_is_answered_as_recorded(samus: Samus, recorded: Recorded) -> None:
    points_xy, labels = clicks_of(recorded, 1)
    logits = samus(torch.from_numpy(recorded["rgb_u8"]).float() / 255, points_xy[:1], labels[:1])
    assert difference(logits, recorded["rgb_low_res_logits"]) < LOGIT_TOLERANCE


@pytest.mark.slow
def test_the_parameters_of_the_official_code_are_trained_and_no_others(samus: Samus) -> None:
    freeze_as_published(samus)
    trained = {name: parameter.numel() for name, parameter in samus.named_parameters() if parameter.requires_grad}
    assert trained.keys() == trainable_names(samus)
    assert trained.keys() == ours(read_names("state_dict_keys.json")["trainable_in_official_code"])
    assert sum(trained.values()) == 39_653_120
    counts = {name: parameter.numel() for name, parameter in samus.named_parameters()}
    counts.pop("sam.shared_image_embedding.positional_embedding", None)  # a parameter in transformers 5 only
    assert sum(counts.values()) == 133_323_568


@pytest.mark.slow
def test_sam_is_taken_over_as_in_the_official_code() -> None:
    tensors, names = by_rule(read_shapes("sam_vit_b_state_dict_keys.json")), read_names("sam_to_samus_init.json")
    model = samus_from_sam(tensors, Path("sam_vit_b.pth"))
    state = model.state_dict()
    for name in names["copied_unchanged"]:
        assert all(torch.equal(state[target], tensors[name]) for target in new_names(name, RULES)), name
    tables = read_arrays("sam_to_samus_relpos.npz")
    for name, table in tables.items():
        assert difference(state[new_names(name, RULES)[0]], table) < ENCODER_TOLERANCE, name
    assert tables.keys() <= set(names["resized"])
    assert resized_names(model) == ours(names["resized"])
    assert added_names(model) == ours(names["samus_only"])


def case_image(pipeline: Recorded, case: str) -> Image:
    return np.repeat(pipeline[f"{case}_image_u8"][:, :, None], 3, axis=2).astype(np.uint8)


def case_mask(pipeline: Recorded, case: str) -> Mask:
    return np.asarray(pipeline[f"{case}_mask_u8"] > 0)


@pytest.mark.parametrize("case", CASES)
def test_the_network_sees_exactly_what_the_official_loader_gives(pipeline: Recorded, case: str) -> None:
    square = square_of(case_image(pipeline, case), FRAME)
    expected = pipeline[f"{case}_image_256_u8"].astype(np.float32) / np.float32(255)
    assert np.array_equal(square.numpy(), np.repeat(expected, 3, axis=0))
    assert [square.min().item(), square.max().item()] == pipeline[f"{case}_image_range"].tolist()


def assert_same_click(click: Click, mask_hw: Mask, expected_xy: npt.NDArray[np.generic], label: object) -> None:
    assert list(point_in_square(click, mask_hw.shape, FRAME)) == expected_xy[0].tolist()
    assert [int(click.is_foreground)] == np.asarray(label).tolist()


@pytest.mark.parametrize("case", CASES)
def test_the_click_of_the_test_code_comes_to_the_network_exactly(pipeline: Recorded, case: str) -> None:
    mask_hw = case_mask(pipeline, case)
    expected_xy, label = pipeline[f"{case}_fixed_click_xy"], pipeline[f"{case}_fixed_label"]
    assert_same_click(fixed_click(mask_hw), mask_hw, expected_xy, label)


@pytest.mark.parametrize("case", CASES)
def test_the_click_of_the_training_code_comes_to_the_network_exactly(pipeline: Recorded, case: str) -> None:
    mask_hw = case_mask(pipeline, case)
    click = random_click(mask_hw, np.random.RandomState(123))
    assert_same_click(click, mask_hw, pipeline[f"{case}_random_click_seed123_xy"], pipeline[f"{case}_random_label"])
