"""DICOM: what a viewer shows is what is read, at the scale that the file tells, and nobody is named."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import SECRETS, region, write_dicom, write_jpeg_dicom
from pydicom import examples
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from gdinousam.data.sources.medical.dicom import has_picture, read_dicom
from gdinousam.data.sources.medical.dicom_opening import is_dicom
from gdinousam.data.sources.medical.frames import MedicalFrames, Region
from gdinousam.errors import InputError

HEIGHT, WIDTH = 6, 8
RAMP = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
COLOURS = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
COLOURS[:, :2] = 200, 40, 20
COLOURS[:, 2:4] = 20, 180, 60
COLOURS[:, 4:6] = 30, 60, 220
COLOURS[:, 6:] = 90


def greys(frames: MedicalFrames) -> np.ndarray:
    """(N, H, W) of frames without colour."""
    stacked = np.stack(list(frames))
    assert stacked.dtype == np.uint8
    assert (stacked == stacked[..., :1]).all()
    return stacked[..., 0]


def ybr(colours: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB as YBR_FULL by the equations of PS3.3, C.7.6.3.1.2."""
    matrix = [[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]]
    return np.rint(colours @ np.array(matrix).T + [0, 128, 128]).astype(np.uint8)


def palette(*colours: tuple[int, int, int], num_bits: int) -> dict[str, object]:
    elements: dict[str, object] = {}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        values = np.array([colour[channel] for colour in colours], dtype=f"<u{num_bits // 8}")
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [len(colours), 0, num_bits]
        elements[f"{name}PaletteColorLookupTableData"] = values.tobytes()
    return elements


def test_a_grey_picture_is_read_as_it_is(tmp_path: Path) -> None:
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", RAMP))
    assert (len(frames), frames.width, frames.height, frames.is_colour) == (1, WIDTH, HEIGHT, False)
    assert greys(frames)[0].tolist() == RAMP.tolist()
    assert (frames.spacing_mm, frames.regions) == (None, ())


def test_a_dark_eight_bit_picture_stays_dark(tmp_path: Path) -> None:
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", RAMP // 8, RescaleSlope=1, RescaleIntercept=0))
    assert greys(frames)[0].tolist() == (RAMP // 8).tolist()


def test_the_inverse_greys_of_monochrome1_are_inverted(tmp_path: Path) -> None:
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", RAMP, "MONOCHROME1"))
    assert greys(frames)[0].tolist() == (255 - RAMP).tolist()


def test_the_frames_of_a_clip_come_in_order_and_again_when_asked_again(tmp_path: Path) -> None:
    clip = np.stack([RAMP, RAMP + 50, RAMP + 100])
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", clip, num_frames=3))
    assert len(frames) == 3
    assert greys(frames).tolist() == clip.tolist() == greys(frames).tolist()


def test_the_frames_of_a_clip_of_16_bits_are_scaled_alike(tmp_path: Path) -> None:
    clip = np.stack([RAMP, RAMP * 4]).astype(np.uint16) * 16
    dark, bright = greys(read_dicom(write_dicom(tmp_path / "a.dcm", clip, num_frames=2)))
    assert dark.tolist() == RAMP.tolist()
    assert bright.tolist() == (RAMP * 4).tolist()


def test_signed_values_are_stretched_over_the_file(tmp_path: Path) -> None:
    values = np.array([[-1000, 0], [0, 1000]], dtype=np.int16)
    assert greys(read_dicom(write_dicom(tmp_path / "a.dcm", values)))[0].tolist() == [[0, 128], [128, 255]]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"WindowCenter": 100.5, "WindowWidth": 101}, [0, 0, 128, 255, 255]),
        ({"WindowCenter": ["100.5", "7"], "WindowWidth": ["101", "9"]}, [0, 0, 128, 255, 255]),
        ({"WindowCenter": 100, "WindowWidth": 200, "VOILUTFunction": "LINEAR_EXACT"}, [0, 64, 128, 191, 255]),
        ({"WindowCenter": 100, "WindowWidth": 100, "VOILUTFunction": "SIGMOID"}, [5, 30, 128, 225, 250]),
        ({"WindowCenter": 100, "WindowWidth": 1}, [0, 0, 255, 255, 255]),
        ({"WindowCenter": 201, "WindowWidth": 101, "RescaleSlope": 2, "RescaleIntercept": 0.5}, [0, 0, 128, 255, 255]),
    ],
)
def test_the_window_of_a_file_applies_to_its_rescaled_values(
    tmp_path: Path, elements: dict[str, object], expected: list[int]
) -> None:
    values = np.array([[0, 50, 100, 150, 200]], dtype=np.uint16)
    assert greys(read_dicom(write_dicom(tmp_path / "a.dcm", values, **elements)))[0].tolist() == [expected]


def test_a_table_of_interest_applies(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor = [4, 0, 8]
    table.LUTData = struct.pack("<4H", 0, 10, 200, 255)
    table["LUTData"].VR = "OW"
    values = np.array([[0, 1, 2, 3]], dtype=np.uint8)
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", values, VOILUTSequence=[table]))
    assert greys(frames)[0].tolist() == [[0, 10, 200, 255]]


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_stay_colours_whatever_the_order_of_their_channels(tmp_path: Path, planar: int) -> None:
    stored = COLOURS if planar == 0 else COLOURS.transpose(2, 0, 1)
    path = write_dicom(tmp_path / "a.dcm", COLOURS, "RGB", pixel_data=stored.tobytes(), PlanarConfiguration=planar)
    frames = read_dicom(path)
    assert frames.is_colour
    assert np.array_equal(next(iter(frames)), COLOURS)


def test_colours_of_16_bits_are_brought_to_8(tmp_path: Path) -> None:
    (frame,) = read_dicom(write_dicom(tmp_path / "a.dcm", COLOURS.astype(np.uint16) * 256, "RGB"))
    assert np.array_equal(frame, COLOURS)


@pytest.mark.parametrize("num_bits", [8, 16])
def test_a_palette_becomes_its_colours(tmp_path: Path, num_bits: int) -> None:
    factor = 1 if num_bits == 8 else 257
    looks = [(0, 0, 0), (250, 20, 10), (20, 240, 30), (9, 9, 9)]
    entries = [tuple(value * factor for value in colour) for colour in looks]
    indices = np.array([[0, 1, 2, 2]], dtype=np.uint8)
    (frame,) = read_dicom(
        write_dicom(tmp_path / "a.dcm", indices, "PALETTE COLOR", **palette(*entries, num_bits=num_bits))
    )
    assert frame[0].tolist() == [list(looks[index]) for index in (0, 1, 2, 2)]


def test_luminance_and_chrominance_become_rgb(tmp_path: Path) -> None:
    (frame,) = read_dicom(write_dicom(tmp_path / "a.dcm", ybr(COLOURS), "YBR_FULL"))
    assert np.abs(frame.astype(int) - COLOURS).max() <= 2


def test_halved_chrominance_becomes_rgb(tmp_path: Path) -> None:
    pairs = ybr(COLOURS).reshape(-1, 2, 3)
    halved = np.concatenate([pairs[:, :, 0], pairs[:, :1, 1], pairs[:, :1, 2]], axis=1)
    (frame,) = read_dicom(write_dicom(tmp_path / "a.dcm", COLOURS, "YBR_FULL_422", pixel_data=halved.tobytes()))
    assert np.abs(frame.astype(int) - COLOURS).max() <= 2


@pytest.mark.parametrize("colour", [False, True])
def test_clips_compressed_as_jpeg_are_read(tmp_path: Path, colour: bool) -> None:
    smooth = np.tile(np.linspace(0, 200, 32).astype(np.uint8), (32, 1))
    frames = [smooth, smooth.T]
    if colour:
        frames = [np.stack([frame, frame // 2, 200 - frame], axis=2) for frame in frames]
    read = read_dicom(write_jpeg_dicom(tmp_path / "a.dcm", frames))
    assert read.is_colour == colour
    for frame, expected in zip(read, frames, strict=True):
        expected = expected if colour else expected[:, :, None]
        assert np.abs(frame.astype(int) - expected).mean() < 3


def test_the_doppler_overlay_of_a_real_picture_stays_coloured() -> None:
    (frame,) = read_dicom(Path(examples.get_path("rgb_color")))
    saturated = frame.max(axis=2).astype(int) - frame.min(axis=2) > 100
    assert 0.01 < saturated.mean() < 0.2


@pytest.mark.parametrize(("name", "num_frames"), [("palette_color", 1), ("ybr_color", 30), ("jpeg2k", 1)])
def test_real_files_of_other_kinds_are_read(name: str, num_frames: int) -> None:
    frames = read_dicom(Path(examples.get_path(name)))
    first = next(iter(frames))
    assert len(frames) == num_frames
    assert first.shape == (frames.height, frames.width, 3)
    assert first.std() > 10


def test_a_region_tells_its_box_and_the_millimetres_of_its_pixels(tmp_path: Path) -> None:
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", RAMP, SequenceOfUltrasoundRegions=[region(1, 2, 6, 4)]))
    (found,) = frames.regions
    assert found.box_xyxy == (1, 2, 7, 5)  # the last pixel belongs to it
    assert found.kind == "2d"
    assert found.spacing_mm == frames.spacing_mm == pytest.approx((0.2, 0.3))


def test_a_region_whose_axis_is_no_length_has_no_spacing(tmp_path: Path) -> None:
    trace = region(0, 0, 7, 5, RegionSpatialFormat=2, PhysicalUnitsXDirection=4)
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", RAMP, SequenceOfUltrasoundRegions=[trace]))
    assert frames.regions == (Region((0, 0, 8, 6), "m-mode", None),)
    assert frames.spacing_mm is None


def test_regions_of_different_scale_give_the_picture_none(tmp_path: Path) -> None:
    regions = [region(0, 0, 3, 5), region(4, 0, 7, 5, PhysicalDeltaX=0.05)]
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", RAMP, SequenceOfUltrasoundRegions=regions, PixelSpacing=[1, 1]))
    assert len(frames.regions) == 2
    assert frames.spacing_mm is None


def test_the_calibration_of_a_picture_that_was_resized_since_is_not_believed(tmp_path: Path) -> None:
    regions = [region(0, 0, 2 * WIDTH, 2 * HEIGHT)]
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", RAMP, SequenceOfUltrasoundRegions=regions, PixelSpacing=[1, 1]))
    assert (frames.regions, frames.spacing_mm) == ((), None)
    resized = read_dicom(Path(examples.get_path("ybr_color")))  # its region ends at 595, 414 of 320 x 240
    assert (resized.regions, resized.spacing_mm) == ((), None)


def test_a_region_that_ends_behind_the_last_pixel_is_cut_there(tmp_path: Path) -> None:
    regions = [region(0, 0, WIDTH, HEIGHT)]
    frames = read_dicom(write_dicom(tmp_path / "a.dcm", RAMP, SequenceOfUltrasoundRegions=regions))
    assert frames.regions[0].box_xyxy == (0, 0, WIDTH, HEIGHT)


def test_pixel_spacing_names_the_distance_of_rows_first(tmp_path: Path) -> None:
    assert read_dicom(write_dicom(tmp_path / "a.dcm", RAMP, PixelSpacing=[0.5, 0.25])).spacing_mm == (0.25, 0.5)


def test_what_all_frames_share_may_stand_in_functional_groups(tmp_path: Path) -> None:
    measures, window, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [0.5, 0.25]
    window.WindowCenter, window.WindowWidth = 100.5, 101
    shared.PixelMeasuresSequence, shared.FrameVOILUTSequence = [measures], [window]
    values = np.array([[[50, 100, 150]], [[60, 60, 60]]], dtype=np.uint16)
    path = write_dicom(tmp_path / "a.dcm", values, num_frames=2, SharedFunctionalGroupsSequence=[shared])
    frames = read_dicom(path)
    assert frames.spacing_mm == (0.25, 0.5)
    assert greys(frames)[0].tolist() == [[0, 128, 255]]


def test_a_file_without_pixels_is_told_from_one_with(tmp_path: Path) -> None:
    report = tmp_path / "report.dcm"
    dataset = pydicom.dcmread(write_dicom(tmp_path / "a.dcm", RAMP))
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(dataset, keyword)
    dataset.save_as(report)
    assert has_picture(tmp_path / "a.dcm") and not has_picture(report)
    with pytest.raises(InputError, match=r"report\.dcm: holds no picture"):
        read_dicom(report)


def test_a_clip_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.stack([RAMP] * 3), num_frames=3)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"a\.dcm: not readable as DICOM"):
        list(read_dicom(path))


def test_a_clip_with_fewer_frames_than_announced_is_named(tmp_path: Path) -> None:
    path = write_jpeg_dicom(tmp_path / "a.dcm", [RAMP, RAMP], NumberOfFrames=5)
    with pytest.raises(InputError, match=r"a\.dcm: .*5"):
        list(read_dicom(path))


def test_a_compression_that_nothing_decodes_is_named(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", RAMP)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    dataset.PixelData = pydicom.encaps.encapsulate([b"abcd"])
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"a\.dcm: compressed as MPEG2.*; export it from its viewer as MP4 or AVI"):
        read_dicom(path)


def test_an_unknown_meaning_of_pixels_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.dcm: pixels stored as HSV"):
        read_dicom(write_dicom(tmp_path / "a.dcm", COLOURS, "HSV"))


def test_other_files_are_no_dicom(tmp_path: Path) -> None:
    text = tmp_path / "notes.dcm"
    text.write_text("no DICOM at all")
    assert not is_dicom(text) and not is_dicom(tmp_path / "missing.dcm") and not is_dicom(tmp_path)
    with pytest.raises(InputError, match="does not begin like a DICOM file"):
        read_dicom(text)
    with pytest.raises(InputError, match="no such file"):
        read_dicom(tmp_path / "missing.dcm")


def test_patients_are_named_in_no_message_warning_or_log(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    path = write_dicom(tmp_path / "a.dcm", np.stack([RAMP] * 3), num_frames=3)
    list(read_dicom(path))
    # pydicom quotes values that break its rules, such as a date that does not exist
    path.write_bytes(path.read_bytes().replace(b"19530229", b"Zweistei")[:-60])
    with pytest.raises(InputError) as caught:
        list(read_dicom(path))
    said = "".join([str(caught.value), str(caught.value.__cause__), caplog.text, *capfd.readouterr()])
    said += "".join(str(warning.message) for warning in recwarn)
    assert not [secret for secret in SECRETS if secret in said]


def test_what_names_a_patient_is_not_even_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[Dataset] = []
    dcmread = pydicom.dcmread
    monkeypatch.setattr(pydicom, "dcmread", lambda *given, **more: parsed.append(dcmread(*given, **more)) or parsed[-1])
    list(read_dicom(write_dicom(tmp_path / "a.dcm", RAMP, PixelSpacing=[1, 1])))
    assert "PixelSpacing" in parsed[0]
    for header in parsed:
        assert not [one for one in header.to_json_dict() if one[:4] not in ("0018", "0028", "7FE0")]


@pytest.mark.parametrize(
    ("stored", "padding"),
    [
        (np.int16, {"PixelPaddingValue": -32768}),
        (np.int16, {"PixelPaddingValue": -32768, "PixelPaddingRangeLimit": -32000}),
        (np.uint16, {"PixelPaddingValue": 65535}),
        (np.uint16, {"PixelPaddingValue": 65000, "PixelPaddingRangeLimit": 65535}),
    ],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_padding_is_black_and_leaves_the_scale_to_the_tissue(tmp_path, stored, padding, photometric) -> None:
    pixels = (RAMP * 5).astype(stored)  # 0 to 235, which 8 bits hold
    pixels[0] = padding["PixelPaddingValue"]
    (shown,) = greys(read_dicom(write_dicom(tmp_path / "a.dcm", pixels, photometric, **padding)))
    tissue = RAMP[1:] * 5
    assert shown[1:].tolist() == (tissue if photometric == "MONOCHROME2" else 255 - tissue).tolist()
    assert not shown[0].any()


def test_a_picture_of_padding_alone_is_black(tmp_path: Path) -> None:
    pixels = np.full((HEIGHT, WIDTH), -2000, np.int16)
    (shown,) = greys(read_dicom(write_dicom(tmp_path / "a.dcm", pixels, PixelPaddingValue=-2000)))
    assert not shown.any()


@pytest.mark.parametrize("is_implicit", [True, False])
@pytest.mark.parametrize("stored", [np.uint8, np.uint16])
def test_files_of_before_the_preamble_are_read(tmp_path: Path, is_implicit: bool, stored: type) -> None:
    """Neither preamble nor meta header: the bytes begin with the first element of group 8."""
    dataset = pydicom.dcmread(write_dicom(tmp_path / "new.dcm", (RAMP * 5).astype(stored)))
    del dataset.file_meta
    dataset.preamble = None
    old = tmp_path / "IM0001"
    pydicom.dcmwrite(old, dataset, implicit_vr=is_implicit, little_endian=True, enforce_file_format=False)
    assert old.read_bytes()[:2] == b"\x08\x00"
    assert is_dicom(old) and has_picture(old)
    assert greys(read_dicom(old))[0].tolist() == (RAMP * 5).tolist()


def test_a_preamble_without_a_meta_header_is_read(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", RAMP, TransferSyntaxUID=ImplicitVRLittleEndian)
    dataset = pydicom.dcmread(path)
    del dataset.file_meta
    dataset.preamble = None
    pydicom.dcmwrite(tmp_path / "bare", dataset, implicit_vr=True, little_endian=True, enforce_file_format=False)
    path.write_bytes(bytes(128) + b"DICM" + (tmp_path / "bare").read_bytes())
    assert greys(read_dicom(path))[0].tolist() == RAMP.tolist()


@pytest.mark.parametrize(
    "content", [b"\x08\x00 text of some other kind" + b"x" * 200, b"\x02\x00\xff\xff" + bytes(300)]
)
def test_files_that_begin_with_the_same_two_bytes_are_no_dicom(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert not is_dicom(tmp_path / "a")


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Rows": HEIGHT - 1}, "48 bytes of pixels, but size, bits and frames of the header ask for 40"),
        ({"Columns": WIDTH // 2}, "48 bytes of pixels, but size, bits and frames of the header ask for 24"),
        ({"Rows": HEIGHT + 1}, "not readable as DICOM"),
        ({"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}, "not readable as DICOM"),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0}, "3 numbers per pixel contradict MONOCHROME2"),
        ({"PhotometricInterpretation": "RGB"}, "1 numbers per pixel contradict RGB"),
    ],
)
def test_a_header_that_contradicts_its_pixels_is_named(tmp_path: Path, elements: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(read_dicom(write_dicom(tmp_path / "a.dcm", RAMP, **elements)))


def test_a_few_bytes_behind_the_pixels_are_padding(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", RAMP, pixel_data=RAMP.tobytes() + bytes(4))
    assert greys(read_dicom(path))[0].tolist() == RAMP.tolist()
