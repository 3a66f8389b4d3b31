"""UniverSeg's network: recorded outputs of the reference code, and what holds for any weights."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from universeg_files import GOLDENS, official_tensors

from gdinousam.methods.universeg.network import CrossBlock, UniverSegNetwork, upsampled_beside
from gdinousam.methods.universeg.weights import load_universeg
from gdinousam.runtime import torch_seed

needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded outputs that developers have")
Recorded = dict[str, npt.NDArray[np.generic]]
Streams = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def published_size(tmp_path_factory: pytest.TempPathFactory) -> UniverSegNetwork:
    """The network with the weights that the outputs were recorded with, read from an official file."""
    path: Path = tmp_path_factory.mktemp("universeg") / "universeg.pt"
    torch.save(official_tensors(), path)
    return load_universeg(str(path))


@pytest.fixture(scope="module")
def narrow() -> UniverSegNetwork:
    with torch_seed(0):
        return load_universeg("random-small")


def random_inputs(batch: int = 2, size: int = 3, side: int = 16, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """A target, images and labels of examples."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(batch, 1, side, side, generator=generator)
    images = torch.rand(batch, size, 1, side, side, generator=generator)
    return target, images, (images > 0.5).float()


def recorded_inputs(recorded: Recorded) -> tuple[torch.Tensor, ...]:
    target, images = (
        torch.from_numpy(recorded[name].astype(np.float32)) / 255 for name in ("target_u8", "support_images_u8")
    )
    return target, images, torch.from_numpy(recorded["support_labels"].astype(np.float32))


def run(network: UniverSegNetwork, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, dict[str, Streams]]:
    """Logits, and both streams behind every block; behind the last, whose examples are not needed, computed by hand."""
    streams: dict[str, Streams] = {}
    blocks = {f"enc{level}": block for level, block in enumerate(network.encoder)}
    blocks |= {f"dec{level}": block for level, block in enumerate(network.decoder)}
    handles = [
        block.register_forward_hook(lambda _, inputs, output, name=name: streams.__setitem__(name, output))
        for name, block in blocks.items()
    ]
    with torch.inference_mode():
        logits = network(*inputs)
        last = network.decoder[-1](*upsampled_beside(streams["dec1"], streams["enc0"]))
    for handle in handles:
        handle.remove()
    return logits, streams | {"dec2": last}


@needs_goldens
@pytest.mark.parametrize("name", ["b2_s3_64", "b1_s16_128", "b1_s1_48"])
def test_every_block_answers_as_in_the_reference_code(published_size: UniverSegNetwork, name: str) -> None:
    with np.load(GOLDENS / f"{name}.npz", allow_pickle=False) as arrays:
        recorded = dict(arrays)
    logits, streams = run(published_size, recorded_inputs(recorded))
    assert np.abs(logits.numpy() - recorded["logits"]).max() < 1e-5
    assert len(streams) == 7
    for block, (target, support) in streams.items():
        probes = {"target": target[0, :8, ::8, ::8], "support": support[0, -1, :8, ::8, ::8]}
        for stream, whole in (("target", target), ("support", support)):
            assert np.abs(probes[stream].numpy() - recorded[f"{block}_{stream}_probe"]).max() < 1e-5
            mean_std = [whole.double().mean(), whole.double().std()]
            assert np.abs(np.array(mean_std) - recorded[f"{block}_{stream}_mean_std"]).max() < 1e-6


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in UniverSegNetwork().parameters()) == 1_182_785


def test_a_cross_block_is_a_convolution_of_the_concatenated_channels() -> None:
    with torch_seed(1):
        block = CrossBlock(num_target=3, num_support=5, features=4)
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(2, 3, 8, 8, generator=generator)
    support = torch.rand(2, 6, 5, 8, 8, generator=generator)
    concatenated = torch.cat([target[:, None].expand(-1, 6, -1, -1, -1), support], dim=2)
    expected = block.cross(concatenated.flatten(0, 1)).unflatten(0, (2, 6))
    assert (block.pairs(target, support) - expected).abs().max() < 1e-5
    next_target, next_support = block(target, support)
    assert torch.allclose(
        next_target, torch.nn.functional.leaky_relu(block.target(expected.mean(dim=1)), 0.01), atol=1e-5
    )
    assert next_support.shape == (2, 6, 4, 8, 8)


def test_the_order_of_the_examples_does_not_matter(narrow: UniverSegNetwork) -> None:
    target, images, labels = random_inputs(size=5)
    order = torch.tensor([3, 0, 4, 1, 2])
    with torch.inference_mode():
        there, back = narrow(target, images, labels), narrow(target, images[:, order], labels[:, order])
    assert (there - back).abs().max() < 1e-5


def test_an_example_shown_twice_counts_no_more_when_all_are(narrow: UniverSegNetwork) -> None:
    target, images, labels = random_inputs()
    with torch.inference_mode():
        once = narrow(target, images, labels)
        twice = narrow(target, images.repeat(1, 2, 1, 1, 1), labels.repeat(1, 2, 1, 1, 1))
    assert (once - twice).abs().max() < 1e-5


def test_a_batch_gives_the_answers_of_single_targets(narrow: UniverSegNetwork) -> None:
    inputs = random_inputs(batch=3)
    with torch.inference_mode():
        batch = narrow(*inputs)
        single = torch.cat([narrow(*(one[row : row + 1] for one in inputs)) for row in range(3)])
    assert (batch - single).abs().max() < 1e-5
    assert batch.shape == (3, 1, 16, 16)


@pytest.mark.parametrize("changed", [0, 1, 2], ids=["target", "support image", "support label"])
def test_the_answer_depends_on_every_input(narrow: UniverSegNetwork, changed: int) -> None:
    inputs = random_inputs()
    others = list(inputs)
    others[changed] = 1 - others[changed]
    with torch.inference_mode():
        assert (narrow(*inputs) - narrow(*others)).abs().max() > 1e-2


def test_every_parameter_but_those_of_the_last_examples_learns() -> None:
    with torch_seed(0):
        network = UniverSegNetwork(features=4)
    network(*random_inputs()).sum().backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert without == {"decoder.2.support.weight", "decoder.2.support.bias"}


@pytest.mark.parametrize(
    ("target", "images", "labels", "message"),
    [
        ((1, 16, 16), (1, 2, 1, 16, 16), (1, 2, 1, 16, 16), "give"),
        ((1, 1, 16, 16), (2, 1, 16, 16), (2, 1, 16, 16), "give"),
        ((1, 1, 16, 16), (1, 2, 1, 16, 16), (1, 3, 1, 16, 16), "give"),
        ((2, 1, 16, 16), (1, 2, 1, 16, 16), (1, 2, 1, 16, 16), "equal number"),
        ((1, 1, 16, 16), (1, 2, 1, 16, 24), (1, 2, 1, 16, 24), "equal number, size"),
        ((1, 3, 16, 16), (1, 2, 3, 16, 16), (1, 2, 3, 16, 16), "one channel"),
        ((1, 1, 16, 16), (1, 0, 1, 16, 16), (1, 0, 1, 16, 16), "no example"),
        ((1, 1, 20, 16), (1, 2, 1, 20, 16), (1, 2, 1, 20, 16), "multiples of 8"),
    ],
)
def test_other_shapes_are_refused(
    narrow: UniverSegNetwork,
    target: tuple[int, ...],
    images: tuple[int, ...],
    labels: tuple[int, ...],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        narrow(torch.zeros(target), torch.zeros(images), torch.zeros(labels))
