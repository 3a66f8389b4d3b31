"""UniverSeg sees images exactly as the reference loader shows them, and its answer comes back to their size."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from universeg_files import GOLDENS

from gdinousam.methods.universeg.preprocessing import SIDE, grey_square, label_square, probability_of_size

needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded outputs that developers have")


@pytest.fixture(scope="module")
def recorded() -> dict[str, npt.NDArray[np.generic]]:
    with np.load(GOLDENS / "preprocess.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@needs_goldens
@pytest.mark.parametrize("case", ["c0", "c1", "c2"])
def test_images_and_masks_are_prepared_as_by_the_reference_loader(
    recorded: dict[str, npt.NDArray[np.generic]], case: str
) -> None:
    image = np.asarray(recorded[f"{case}_rgb_u8"], dtype=np.uint8)
    assert np.array_equal(grey_square(image)[0].numpy(), recorded[f"{case}_image128"])
    label = label_square(np.asarray(recorded[f"{case}_mask_u8"] != 0))
    assert np.array_equal(label[0].numpy(), recorded[f"{case}_label128"])


def test_colour_is_taken_away_after_resizing() -> None:
    # reds 1, 1, 1, 5 are 2 on the mean, whose luminance is 1; their own luminances are 0, 0, 0, 1, on the mean 0
    image = np.zeros((512, 512, 3), dtype=np.uint8)
    image[:, :, 0] = np.tile([1, 1, 1, 5], 128)
    square = grey_square(image)
    assert square.shape == (1, SIDE, SIDE) and square.dtype == torch.float32
    assert torch.equal(square[:, :, 1:-1], torch.full((1, SIDE, SIDE - 2), 1 / 255))


def test_values_are_not_stretched_to_the_whole_range() -> None:
    square = grey_square(np.full((40, 50, 3), 51, dtype=np.uint8))
    assert torch.equal(square, torch.full((1, SIDE, SIDE), 51 / 255))


@pytest.mark.parametrize("size_hw", [(40, 300), (128, 128), (500, 33)])
def test_labels_are_zero_and_one_and_keep_their_share_of_the_image(size_hw: tuple[int, int]) -> None:
    mask = np.zeros(size_hw, dtype=bool)
    mask[: size_hw[0] // 2] = True
    label = label_square(mask)
    assert label.shape == (1, SIDE, SIDE) and label.dtype == torch.float32
    assert set(label.unique().tolist()) == {0.0, 1.0}
    assert label.mean().item() == pytest.approx(mask.mean(), abs=0.01)
    assert not label_square(np.zeros(size_hw, dtype=bool)).any()


@pytest.mark.parametrize("size_hw", [(300, 200), (128, 128), (64, 90)])
def test_probabilities_come_back_to_the_size_of_the_image(size_hw: tuple[int, int]) -> None:
    probability = torch.zeros(SIDE, SIDE)
    probability[:, : SIDE // 2] = 1
    of_size = probability_of_size(probability, size_hw)
    assert of_size.shape == size_hw and of_size.min() >= 0 and of_size.max() <= 1
    inside = of_size > 0.5
    assert inside[:, : size_hw[1] // 2].all() and not inside[:, size_hw[1] // 2 :].any()


def test_probabilities_of_the_size_of_the_square_stay() -> None:
    probability = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(probability_of_size(probability, (SIDE, SIDE)), probability)
