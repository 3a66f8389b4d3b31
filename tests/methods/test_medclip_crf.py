"""The lattice against the exact sum, and the dense CRF against recorded masks of pydensecrf2."""

import numpy as np
import numpy.typing as npt
import pytest
from medclip_files import needs_goldens, recorded

from gdinousam.methods.medclip_sam.crf import CRF_V1, CRF_V2
from gdinousam.methods.medclip_sam.permutohedral import Lattice
from gdinousam.methods.medclip_sam.regions import largest_parts

CASES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def arrays() -> dict[str, npt.NDArray[np.generic]]:
    return recorded("postprocess")


@needs_goldens
@pytest.mark.parametrize("case", CASES)
def test_both_crfs_give_the_recorded_masks_to_the_pixel(arrays: dict[str, npt.NDArray[np.generic]], case: str) -> None:
    image, levels = arrays[f"{case}_image_bgr_u8"][..., ::-1], arrays[f"{case}_saliency_u8"]
    assert np.array_equal(CRF_V1.of(image).foreground(levels / 255), arrays[f"{case}_crf_v1"] > 0)
    region = CRF_V2.of(image).foreground(levels / 255)
    for num_parts in (1, 2):
        assert np.array_equal(largest_parts(region, num_parts), arrays[f"{case}_crf_top{num_parts}"] > 0)


@pytest.mark.parametrize("num_dimensions", [1, 2, 5])
def test_the_lattice_comes_near_the_exact_sum(num_dimensions: int) -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform(0, 4, (800, num_dimensions))
    values = (points.sum(axis=1, keepdims=True) > 2 * num_dimensions).astype(float)
    lattice = Lattice(points)
    smooth = lattice.filter(values) / lattice.filter(np.ones_like(values))
    kernel = np.exp(-((points[:, None] - points) ** 2).sum(axis=-1) / 2)
    exact = kernel @ values / kernel.sum(axis=1, keepdims=True)
    assert np.abs(smooth - exact).mean() < 0.03
    assert np.corrcoef(smooth[:, 0], exact[:, 0])[0, 1] > 0.98


def test_the_lattice_keeps_apart_what_is_far_apart() -> None:
    points = np.array([[0.0, 0.0], [0.1, 0.0], [100.0, 100.0]])
    found = Lattice(points).filter(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]))
    assert found[1, 0] > 0 and found[2, 0] == found[0, 1] == found[1, 1] == 0


def test_points_too_far_apart_to_number_are_refused() -> None:
    with pytest.raises(ValueError, match="lattice steps apart"):
        Lattice(np.array([[0.0] * 5, [1e6] * 5]))


def test_colours_draw_the_edge_where_the_map_is_undecided() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, 30:] = 200
    probability = np.tile(np.linspace(0.1, 0.9, 80), (60, 1))  # a half at column 40, ten columns beside the edge
    found = CRF_V1.of(image).foreground(probability)
    assert found[:, 32:].all() and not found[:, :28].any()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_map_that_is_sure_of_everything_stays_so(value: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert (CRF_V1.of(image).foreground(np.full((20, 30), value)) == bool(value)).all()


def test_an_image_of_one_pixel_is_taken() -> None:
    image = np.zeros((1, 1, 3), np.uint8)
    assert CRF_V1.of(image).foreground(np.array([[0.9]])).tolist() == [[True]]
