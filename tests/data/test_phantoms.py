"""Phantoms: the physics of the speckle, exact masks and boxes, kinds that differ, files that repeat byte for byte."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PILImage

from gdinousam.data.contract import read_records
from gdinousam.data.phantoms import LESION_KINDS, Phantom, PhantomSettings, make_phantom, write_phantoms
from gdinousam.data.speckle import PointSpread, depth_loss_db, log_compress, speckle_envelope
from gdinousam.errors import InputError

NUM_PHANTOMS = 60


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [make_phantom(np.random.default_rng(seed)) for seed in range(NUM_PHANTOMS)]


def of_kind(phantoms: list[Phantom], phrase: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Grey image and mask of every lesion of the kind that is alone in its image."""
    return [
        (phantom.image[..., 0].astype(float), phantom.instances[0][1])
        for phantom in phantoms
        if len(phantom.instances) == 1 and phantom.instances[0][0] == phrase
    ]


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def beside(mask: np.ndarray) -> np.ndarray:
    """The pixels in the rows of the lesion, at least 8 columns away from it."""
    x0, y0, x1, y1 = box_of(mask)
    region = np.zeros_like(mask)
    region[y0:y1] = True
    region[:, max(x0 - 8, 0) : x1 + 8] = False
    return region


def behind(mask: np.ndarray) -> np.ndarray:
    """The pixels below the lesion, in the middle half of its columns."""
    x0, _, x1, y1 = box_of(mask)
    region = np.zeros_like(mask)
    region[y1 + 4 : y1 + 30, (3 * x0 + x1) // 4 : (x0 + 3 * x1) // 4] = True
    return region


def behind_and_beside(mask: np.ndarray) -> np.ndarray:
    """The pixels of the rows of ``behind``, away from the lesion's columns."""
    x0, _, x1, _ = box_of(mask)
    region = np.zeros_like(mask)
    region[behind(mask).any(axis=1)] = True
    region[:, max(x0 - 8, 0) : x1 + 8] = False
    return region


def test_speckle_of_even_tissue_is_rayleigh_with_the_given_power() -> None:
    envelope = speckle_envelope(np.random.default_rng(0), np.zeros((700, 900), np.float32), PointSpread())
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, rel=0.02)
    assert np.mean(envelope**2) == pytest.approx(1.0, rel=0.02)
    # Quantiles of a Rayleigh distribution of mean square 1: sqrt(-ln(1 - p)).
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    assert np.quantile(envelope, levels) == pytest.approx(np.sqrt(-np.log1p(-levels)), rel=0.03)


def test_speckle_is_as_bright_at_the_border_as_inside() -> None:
    envelope = speckle_envelope(np.random.default_rng(1), np.zeros((400, 3000), np.float32), PointSpread())
    assert np.mean(envelope[0] ** 2) == pytest.approx(1.0, rel=0.1)


def test_speckle_grains_are_wider_laterally_than_axially() -> None:
    power = speckle_envelope(np.random.default_rng(2), np.zeros((400, 400), np.float32), PointSpread()) ** 2
    axial = np.corrcoef(power[:-2].ravel(), power[2:].ravel())[0, 1]
    lateral = np.corrcoef(power[:, :-2].ravel(), power[:, 2:].ravel())[0, 1]
    # |exp(-d^2 / 4 sigma^2)|^2 for a distance d of 2 pixels.
    assert axial == pytest.approx(np.exp(-(2**2) / (2 * 0.8**2)), abs=0.05)
    assert lateral == pytest.approx(np.exp(-(2**2) / (2 * 1.7**2)), abs=0.05)


def test_echo_strength_scales_the_envelope_in_decibels() -> None:
    strengths = [
        speckle_envelope(np.random.default_rng(3), np.full((50, 50), db, np.float32), PointSpread()) for db in (0, 20)
    ]
    np.testing.assert_allclose(strengths[1], 10.0 * strengths[0], rtol=1e-5)


def test_depth_loss_adds_up_along_the_beam_and_shadows_only_what_lies_below() -> None:
    loss = np.full((100, 10), 10.0, np.float32)
    loss[40:60, 5] = 110.0
    total = depth_loss_db(loss)
    assert total[-1, 0] == pytest.approx(10.0, rel=1e-4)
    assert total[-1, 5] == pytest.approx(30.0, rel=1e-4)
    np.testing.assert_allclose(total[:40, 5], total[:40, 0], rtol=1e-5)


def test_log_compression_is_linear_in_decibels_between_black_and_white() -> None:
    envelope = 10.0 ** (np.array([[30.0, 20.0, -10.0, -40.0, -60.0]], np.float32) / 20.0)
    assert log_compress(envelope, 60.0, 20.0).tolist() == [[255, 255, 128, 0, 0]]
    assert log_compress(np.zeros((1, 1), np.float32), 60.0, 20.0).tolist() == [[0]]


def test_tissue_gets_darker_with_depth() -> None:
    settings = PhantomSettings(attenuation_db=(20.0, 20.0))
    for seed in range(5):
        phantom = make_phantom(np.random.default_rng(seed), settings)
        (_, mask), *others = phantom.instances
        free = ~np.logical_or.reduce([mask, *(other for _, other in others)]).any(axis=0)
        grey = phantom.image[:, free, 0].astype(float)
        height = len(grey)
        # 20 dB over the height, 60 dB = 255: half the height costs about 42 grey values.
        assert grey[height * 4 // 10 : height // 2].mean() - grey[height * 9 // 10 :].mean() == pytest.approx(
            40, abs=20
        )


def test_phantoms_are_grey_images_within_the_size_range_with_one_or_two_separate_lesions(
    phantoms: list[Phantom],
) -> None:
    for phantom in phantoms:
        height, width, channels = phantom.image.shape
        assert phantom.image.dtype == np.uint8 and channels == 3
        assert 160 <= height <= 192 and 160 <= width <= 192
        assert (phantom.image == phantom.image[..., :1]).all()
        assert len(phantom.instances) in (1, 2)
        for _, mask in phantom.instances:
            assert mask.shape == (height, width) and mask.dtype == bool
            assert mask.sum() > 150
            assert not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
        assert sum(mask.astype(int) for _, mask in phantom.instances).max() == 1
    counts = [len(phantom.instances) for phantom in phantoms]
    assert 0 < counts.count(2) < counts.count(1)
    assert {phrase for phantom in phantoms for phrase, _ in phantom.instances} == {kind.phrase for kind in LESION_KINDS}


def test_same_seed_same_phantom() -> None:
    first, second, other = (make_phantom(np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.image, second.image)
    for (phrase, mask), (same_phrase, same_mask) in zip(first.instances, second.instances, strict=True):
        assert phrase == same_phrase
        np.testing.assert_array_equal(mask, same_mask)
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


def test_phantoms_do_not_touch_the_global_generator() -> None:
    before = np.random.get_state()[1].copy()
    make_phantom(np.random.default_rng(0))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_cysts_are_black_with_enhancement_behind(phantoms: list[Phantom]) -> None:
    cysts = of_kind(phantoms, "cyst")
    assert cysts
    for grey, mask in cysts:
        inside = cv2.erode(mask.astype(np.uint8), np.ones((7, 7))) > 0  # tissue echoes reach in by the beam's width
        assert grey[inside].mean() < 5
    assert np.mean([grey[behind(mask)].mean() - grey[behind_and_beside(mask)].mean() for grey, mask in cysts]) > 15


def test_benign_lesions_are_darker_than_tissue_not_black_and_wider_than_tall(phantoms: list[Phantom]) -> None:
    lesions = of_kind(phantoms, "benign lesion")
    assert lesions
    for grey, mask in lesions:
        x0, y0, x1, y1 = box_of(mask)
        assert x1 - x0 > 1.2 * (y1 - y0)
        assert 25 < grey[mask].mean() < grey[beside(mask)].mean() - 25
        # An ellipse fills pi / 4 of its box; the outline is drawn half a pixel wide.
        assert mask.sum() / ((x1 - x0) * (y1 - y0)) == pytest.approx(np.pi / 4, abs=0.04)


def test_malignant_lesions_are_dark_taller_than_wide_and_throw_a_shadow(phantoms: list[Phantom]) -> None:
    lesions = of_kind(phantoms, "malignant lesion")
    assert lesions
    for grey, mask in lesions:
        x0, y0, x1, y1 = box_of(mask)
        assert y1 - y0 > x1 - x0
        assert grey[mask].mean() < grey[beside(mask)].mean() - 40
        assert grey[behind(mask)].mean() < grey[behind_and_beside(mask)].mean() - 10


def test_bright_lesions_are_brighter_than_tissue(phantoms: list[Phantom]) -> None:
    lesions = of_kind(phantoms, "bright lesion")
    assert lesions
    for grey, mask in lesions:
        assert grey[mask].mean() > grey[beside(mask)].mean() + 25


def test_impossible_size_range_is_refused() -> None:
    with pytest.raises(InputError, match="width_range"):
        PhantomSettings(width_range=(200, 100))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_written_records_agree_with_masks_and_sizes(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "phantoms", 6, 2, 3, seed=1)
    for split, images, masks, count in (
        ("train", "train", "train_mask", 6),
        ("val", "val", "val_mask", 2),
        ("test", "test_image", "test_mask", 3),
    ):
        folder = tmp_path / "phantoms"
        records = read_records(folder / f"{split}.CSV", folder / images, folder / masks)
        assert len(records) == count
        for record in records:
            assert record.dataset == "phantom" and record.group is None
            with PILImage.open(record.path) as image:
                assert image.size == (record.width, record.height)
            for value, instance in enumerate(record.instances, start=1):
                assert instance.mask is not None and instance.mask.value == value
                with PILImage.open(instance.mask.path) as image:
                    assert image.mode == "L"
                    x0, y0, x1, y1 = box_of(np.asarray(image) == value)
                assert instance.box_xywh == (x0, y0, x1 - x0, y1 - y0)


def test_an_image_depends_on_seed_split_and_number_alone(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "few", 2, 1, 1, seed=5)
    write_phantoms(tmp_path / "again", 2, 1, 1, seed=5)
    write_phantoms(tmp_path / "many", 4, 3, 1, seed=5)
    few, many = files_of(tmp_path / "few"), files_of(tmp_path / "many")
    assert few == files_of(tmp_path / "again")
    pictures = {name for name in few if name.endswith(".png")}
    assert {name: few[name] for name in pictures} == {name: many[name] for name in pictures}
    assert few["train/train_00000.png"] != few["val/val_00000.png"]
    assert few["train/train_00000.png"] != few["train/train_00001.png"]


def test_existing_folder_is_replaced_only_on_request_and_only_if_it_holds_phantoms(tmp_path: Path) -> None:
    folder = tmp_path / "phantoms"
    write_phantoms(folder, 1, 1, 1, seed=0)
    before = files_of(folder)
    with pytest.raises(InputError, match="exists already"):
        write_phantoms(folder, 1, 1, 1, seed=9)
    assert files_of(folder) == before
    write_phantoms(folder, 2, 0, 1, seed=9, replace=True)
    assert len(list((folder / "train").iterdir())) == 2 and not list((folder / "val").iterdir())
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        write_phantoms(folder, 1, 1, 1, replace=True)
    assert (folder / "thesis.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["phantoms"]


def test_a_file_in_the_way_and_a_negative_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no part of a phantom dataset"):
        write_phantoms(tmp_path / "file", 1, 1, 1, replace=True)
    with pytest.raises(InputError, match="val"):
        write_phantoms(tmp_path / "new", 1, -1, 1)


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantoms(tmp_path / "phantoms", 2, 1, 1, on_image=interrupt)
    assert not list(tmp_path.iterdir())
