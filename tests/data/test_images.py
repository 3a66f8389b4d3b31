"""Image and mask readers: every kind of file comes out as the picture that a viewer shows."""

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdinousam.data.images import image_size, read_image, read_mask, read_mask_file, scale_to_uint8, union_mask
from gdinousam.errors import InputError
from gdinousam.records import Instance, MaskReference

HEIGHT, WIDTH = 6, 9


@pytest.fixture
def grey() -> np.ndarray:
    """A ramp over all of (6, 9), 0 in the first pixel, 212 in the last."""
    return (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 4).astype(np.uint8)


def save(array: np.ndarray, path: Path, **options: object) -> Path:
    PIL.Image.fromarray(array).save(path, **options)
    return path


def assert_grey(image: np.ndarray, expected: np.ndarray) -> None:
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.stack([expected] * 3, axis=2))


def test_one_channel_image_becomes_three_equal_channels(tmp_path, grey):
    assert_grey(read_image(save(grey, tmp_path / "a.png")), grey)


def test_colour_image_is_read_as_rgb(tmp_path):
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[:, :, 0] = 200
    np.testing.assert_array_equal(read_image(save(red, tmp_path / "a.png")), red)


def test_palette_image_is_read_in_its_colours(tmp_path):
    picture = PIL.Image.fromarray(np.ones((HEIGHT, WIDTH), np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 10, 20, 30] + [0] * 12)
    picture.putdata([1] * (HEIGHT * WIDTH))
    picture.save(tmp_path / "a.png")
    assert PIL.Image.open(tmp_path / "a.png").mode == "P"
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [10, 20, 30]


def test_transparent_parts_are_laid_on_black(tmp_path, grey):
    colours = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    colours[:, :4, 3] = 0
    expected = grey.copy()
    expected[:, :4] = 0
    assert_grey(read_image(save(colours, tmp_path / "colour.png")), expected)
    assert_grey(read_image(save(colours[:, :, [0, 3]], tmp_path / "grey.png")), expected)


def test_one_bit_image_is_black_and_white(tmp_path):
    bits = np.zeros((HEIGHT, WIDTH), bool)
    bits[2:4] = True
    assert_grey(read_image(save(bits, tmp_path / "a.png")), bits * np.uint8(255))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_eight_bit_values_in_a_sixteen_bit_file_stay_as_they_are(tmp_path, grey, suffix):
    assert_grey(read_image(save(grey.astype(np.uint16), tmp_path / f"a.{suffix}")), grey)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("factor", [16, 256], ids=["12 bits", "16 bits"])
def test_values_of_more_than_eight_bits_fill_the_grey_scale(tmp_path, grey, suffix, factor):
    assert_grey(read_image(save(grey.astype(np.uint16) * factor, tmp_path / f"a.{suffix}")), grey)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_twelve_bit_colours_are_not_black(tmp_path, grey, suffix):
    colours = np.dstack([grey, grey // 2, grey // 4]).astype(np.uint16) * 16
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), colours[:, :, ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}"), colours // 16)


def test_sixteen_bit_colours_with_alpha_are_laid_on_black(tmp_path, grey):
    colours = np.dstack([grey, grey, grey, grey]).astype(np.uint16) * 256
    colours[:, :, 3] = 65535
    colours[0, :, 3] = 0
    cv2.imwrite(str(tmp_path / "a.png"), colours)
    expected = grey.copy()
    expected[0] = 0
    assert_grey(read_image(tmp_path / "a.png"), expected)


def test_float_tiff_within_zero_and_one_spans_the_grey_scale(tmp_path, grey):
    assert_grey(read_image(save(grey.astype(np.float32) / 255, tmp_path / "a.tif")), grey)


def test_float_tiff_in_decibels_is_stretched(tmp_path):
    decibels = np.tile(np.linspace(-60, 0, WIDTH, dtype=np.float32), (HEIGHT, 1))
    image = read_image(save(decibels, tmp_path / "a.tif"))
    assert image[0, 0, 0] == 0 and image[0, -1, 0] == 255


def test_float_image_with_nan_is_refused(tmp_path, grey):
    broken = grey.astype(np.float32)
    broken[0, 0] = np.nan
    with pytest.raises(InputError, match=r"a\.tif: holds nan"):
        read_image(save(broken, tmp_path / "a.tif"))


@given(maximum=st.integers(1, 65535))
def test_scaling_keeps_black_black_and_the_order_of_grey_values(maximum):
    values = np.linspace(0, maximum, 50).astype(np.uint16)
    scaled = scale_to_uint8(values)
    assert scaled[0] == 0
    assert (np.diff(scaled.astype(int)) >= 0).all()
    assert scaled[-1] == maximum if maximum < 256 else scaled[-1] >= 128


@given(maximum=st.floats(2**-20, 2**20))
def test_scaling_floats_beyond_one_never_ends_in_the_dark(maximum):
    assert scale_to_uint8(np.array([0, maximum]))[1] >= (128 if maximum > 1 else int(maximum * 255))


def test_constant_negative_image_is_black():
    assert scale_to_uint8(np.full((2, 2), -7.0)).tolist() == [[0, 0], [0, 0]]


def test_exif_orientation_is_not_applied(tmp_path, grey):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # orientation: shown rotated by 90 degrees
    path = save(grey, tmp_path / "a.jpg", exif=exif)
    assert read_image(path).shape == (HEIGHT, WIDTH, 3)
    assert image_size(path) == (WIDTH, HEIGHT)


def test_image_size_is_read_without_the_pixels(tmp_path, grey):
    path = save(np.tile(grey, (20, 20)), tmp_path / "a.bmp")
    path.write_bytes(path.read_bytes()[:2000])
    assert image_size(path) == (WIDTH * 20, HEIGHT * 20)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
def test_truncated_image_is_an_error_naming_the_file(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (80, 90), dtype=np.uint8)
    path = save(noise, tmp_path / f"scan.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"scan\.{suffix}"):
        read_image(path)


def test_truncated_sixteen_bit_colour_image_is_an_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 65536, (80, 90, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "scan.png"), noise)
    (tmp_path / "scan.png").write_bytes((tmp_path / "scan.png").read_bytes()[:30000])
    with pytest.raises(InputError, match=r"scan\.png"):
        read_image(tmp_path / "scan.png")


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n"])
def test_undecodable_image_is_an_error_of_one_line(tmp_path, content):
    (tmp_path / "scan.png").write_bytes(content)
    for read in (read_image, image_size, read_mask_file):
        with pytest.raises(InputError, match=r"scan\.png: not readable as an image") as caught:
            read(tmp_path / "scan.png")
        assert "\n" not in str(caught.value)


def test_missing_image_is_an_error_naming_the_file(tmp_path):
    with pytest.raises(InputError, match=r"scan\.png: no such image file"):
        read_image(tmp_path / "scan.png")


def test_file_of_several_frames_is_refused(tmp_path, grey):
    frame = PIL.Image.fromarray(grey)
    frame.save(tmp_path / "a.tif", save_all=True, append_images=[frame])
    with pytest.raises(InputError, match="holds 2 frames"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("foreground", [1, 3, 255])
def test_any_non_zero_pixel_of_a_mask_is_foreground(tmp_path, foreground):
    stored = np.zeros((HEIGHT, WIDTH), np.uint8)
    stored[1:3, 2:5] = foreground
    mask = read_mask(MaskReference(save(stored, tmp_path / "a.png")))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, stored > 0)


def test_noise_of_a_jpeg_mask_is_no_foreground(tmp_path):
    stored = np.zeros((32, 32), np.uint8)
    stored[5:20, 7:19] = 255
    path = save(stored, tmp_path / "a.jpg", quality=60)
    with PIL.Image.open(path) as picture:
        noisy = np.array(picture)
    assert (noisy > 0).sum() > (stored > 0).sum()
    np.testing.assert_array_equal(read_mask(MaskReference(path)), stored > 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_mask_value_picks_the_pixels_of_that_grey_value(tmp_path, dtype):
    labels = np.zeros((HEIGHT, WIDTH), dtype)
    labels[:2], labels[4:] = 1, 3
    path = save(labels, tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(MaskReference(path, 3)), labels == 3)
    np.testing.assert_array_equal(read_mask(MaskReference(path)), labels > 0)
    assert not read_mask(MaskReference(path, 7)).any()


def test_mask_value_of_a_palette_mask_is_the_index(tmp_path):
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[4:] = 2
    picture = PIL.Image.fromarray(labels).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.putdata(labels.ravel().tolist())
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(MaskReference(tmp_path / "a.png", 2)), labels == 2)
    np.testing.assert_array_equal(read_mask(MaskReference(tmp_path / "a.png")), labels == 2)


def test_colour_mask_is_foreground_where_it_is_not_black_and_has_no_values(tmp_path):
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[2, 3] = (0, 9, 0)
    path = save(colours, tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(MaskReference(path)), colours.any(axis=2))
    with pytest.raises(InputError, match="colour mask"):
        read_mask(MaskReference(path, 9))


def test_grey_mask_stored_as_colour_has_values(tmp_path):
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[2:4] = 3
    path = save(np.dstack([labels] * 3), tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(MaskReference(path, 3)), labels == 3)


def test_union_mask_joins_instances_and_is_empty_without_any(tmp_path):
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[0], labels[2], labels[4] = 1, 2, 3
    path = save(labels, tmp_path / "a.png")
    instances = [Instance("lesion", (0, 0, WIDTH, HEIGHT), MaskReference(path, value)) for value in (1, 3)]
    np.testing.assert_array_equal(union_mask(instances, (HEIGHT, WIDTH)), np.isin(labels, [1, 3]))
    assert union_mask([], (HEIGHT, WIDTH)).shape == (HEIGHT, WIDTH)
    assert not union_mask([], (HEIGHT, WIDTH)).any()


def test_union_mask_refuses_other_sizes_and_instances_without_mask(tmp_path, grey):
    instance = Instance("lesion", (0, 0, 3, 3), MaskReference(save(grey, tmp_path / "a.png")))
    with pytest.raises(InputError, match="mask of 9 x 6 for an image of 6 x 9"):
        union_mask([instance], (WIDTH, HEIGHT))
    with pytest.raises(InputError, match="has no mask"):
        union_mask([Instance("lesion", (0, 0, 3, 3))], (HEIGHT, WIDTH))


def test_a_mask_of_another_size_is_resized_as_the_public_scripts_do(tmp_path):
    small = np.zeros((3, 4), np.uint8)
    small[1, 1:3] = 255
    path = save(small, tmp_path / "a.png")
    theirs = np.array(PIL.Image.open(path).convert("L").resize((8, 6))) >= 0.5
    ours = read_mask(MaskReference(path, resized_to=(8, 6)))
    np.testing.assert_array_equal(ours, theirs)
    # more than the nearest pixels, 2 x 4 of them: the bicubic filter reaches beyond
    assert ours.sum() > 8
    instance = Instance("lesion", (0, 0, 8, 6), MaskReference(path, resized_to=(8, 6)))
    np.testing.assert_array_equal(union_mask([instance], (6, 8)), theirs)
    np.testing.assert_array_equal(read_mask(MaskReference(path, resized_to=(4, 3))), small > 0)


def test_a_named_value_of_a_resized_mask_takes_the_nearest_pixel(tmp_path):
    labels = np.array([[0, 1], [2, 2]], np.uint8)
    path = save(labels, tmp_path / "a.png")
    expected = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 3], [3, 3, 3, 3]]) == 2
    np.testing.assert_array_equal(read_mask(MaskReference(path, 1, resized_to=(4, 4))), expected)


def test_too_large_a_picture_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PIL.Image.new("1", (2000, 2000)).save(tmp_path / "wall.png")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1_500_000)
    with pytest.raises(InputError, match=r"wall\.png: .*more than 3 million pixels\); make the picture smaller"):
        read_image(tmp_path / "wall.png")
