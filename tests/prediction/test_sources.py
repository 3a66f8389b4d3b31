"""What is to be segmented, from every kind of file, and what is said of files that cannot be."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import cv2
import nibabel
import numpy as np
import PIL.Image
import pydicom
import pytest
import SimpleITK
from dicom_files import SECRETS, region, write_dicom, write_jpeg_dicom
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41, JPEGLosslessSV1, RLELossless

from gdinousam.errors import InputError
from gdinousam.prediction.sources import Clip, Picture, open_source

HEIGHT, WIDTH, NUM_FRAMES = 48, 64, 12
# each frame tells its number by a bright square that moves on
FRAMES = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
for number in range(NUM_FRAMES):
    FRAMES[number, 8:40, 4 * number : 4 * number + 16] = 220


def write_video(path: Path, code: str, frames: np.ndarray = FRAMES) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 25, (frames.shape[2], frames.shape[1]))
    assert writer.isOpened()
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def as_clip(source: Picture | Clip) -> Clip:
    assert isinstance(source, Clip)
    return source


def greys(clip: Clip) -> np.ndarray:
    return np.stack([frame[:, :, 0] for frame in clip])


@pytest.mark.parametrize(("name", "code"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.MKV", "FFV1"), ("a.avi", "FFV1")])
def test_a_video_gives_every_frame_in_order_and_again(tmp_path: Path, name: str, code: str) -> None:
    clip = as_clip(open_source(write_video(tmp_path / name, code)))
    assert (len(clip), clip.width, clip.height, clip.fps) == (NUM_FRAMES, WIDTH, HEIGHT, 25)
    assert (clip.spacing_mm, clip.slice_mm, clip.is_volume, clip.name) == (None, None, False, name)
    assert clip.views == ((0, 0, WIDTH, HEIGHT),)
    for _ in range(2):
        assert np.abs(greys(clip).astype(int) - FRAMES).mean() < 3  # codecs lose a little


def test_colours_of_a_video_are_red_green_blue(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (WIDTH, HEIGHT))
    writer.write(np.full((HEIGHT, WIDTH, 3), (20, 40, 200), dtype=np.uint8))  # OpenCV: blue first
    writer.release()
    picture = open_source(tmp_path / "a.avi")
    assert isinstance(picture, Picture)
    assert picture.image[0, 0].tolist() == pytest.approx((200, 40, 20), abs=4)


@pytest.mark.parametrize(
    ("name", "code", "kept", "words"),
    [
        ("a.mp4", "mp4v", 0.9, "not readable as a video"),
        ("a.avi", "MJPG", 0.8, r"announces 12 frames, but \d+ can be decoded; it is cut off"),
        ("a.mkv", "FFV1", 0.7, r"announces 12 frames, but \d+ can be decoded; it is cut off"),
        ("a.avi", "MJPG", 0.0, "is empty"),
    ],
)
def test_a_video_that_was_cut_off_is_refused_and_loses_no_frame_silently(
    tmp_path: Path, name: str, code: str, kept: float, words: str
) -> None:
    path = write_video(tmp_path / name, code)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=words):
        open_source(path)


def test_what_is_no_video_is_named_and_the_decoder_adds_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(InputError, match=r"notes\.mp4: not readable as a video"):
        open_source(tmp_path / "notes.mp4")
    assert capfd.readouterr() == ("", "")
    with pytest.raises(InputError, match=r"gone\.mp4: no such file"):
        open_source(tmp_path / "gone.mp4")


def test_a_thousand_frames_are_decoded_one_at_a_time(tmp_path: Path) -> None:
    large = np.zeros((1, 240, 320), dtype=np.uint8)
    path = write_video(tmp_path / "a.avi", "MJPG", np.broadcast_to(large, (1000, 240, 320)))
    tracemalloc.start()
    clip = as_clip(open_source(path))
    assert len(clip) == sum(1 for _ in clip) == 1000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * large.nbytes * 3


def test_a_cine_dicom_tells_its_speed_scale_and_views(tmp_path: Path) -> None:
    two = [region(0, 0, 29, 40), region(32, 0, 63, 40)]
    path = write_dicom(
        tmp_path / "a.dcm", FRAMES, num_frames=NUM_FRAMES, SequenceOfUltrasoundRegions=two, FrameTime="40"
    )
    clip = as_clip(open_source(path))
    assert (len(clip), clip.fps, clip.format, clip.is_volume) == (NUM_FRAMES, 25, "DICOM", False)
    assert clip.spacing_mm == pytest.approx((0.2, 0.3))
    assert clip.views == ((0, 0, 30, 41), (32, 0, 64, 41))
    assert clip.notes == ("2 views, segmented one by one",)
    assert (greys(clip) == FRAMES).all()
    assert not any(secret in repr(clip) for secret in SECRETS)


@pytest.mark.parametrize(
    ("elements", "fps"),
    [
        ({"FrameTimeVector": ["0", "40", "60"]}, 20),
        ({"CineRate": "30"}, 30),
        ({"FrameTime": "0", "CineRate": "30"}, 30),
        ({"FrameTime": "-1"}, None),
        ({}, None),
    ],
)
def test_the_speed_of_a_clip_is_what_was_recorded(tmp_path: Path, elements: dict[str, object], fps: int | None) -> None:
    clip = as_clip(open_source(write_dicom(tmp_path / "a.dcm", FRAMES[:3], num_frames=3, **elements)))
    assert clip.fps == fps


def test_a_still_is_a_picture(tmp_path: Path) -> None:
    picture = open_source(write_dicom(tmp_path / "IM0001", FRAMES[0]))
    assert isinstance(picture, Picture)
    assert (picture.name, picture.format, picture.size_hw) == ("IM0001", "DICOM", (HEIGHT, WIDTH))
    assert picture.notes == ("the file tells no ultrasound regions: the whole picture is segmented",)
    PIL.Image.fromarray(FRAMES[0]).save(tmp_path / "a.png")
    plain = open_source(str(tmp_path / "a.png"))
    assert isinstance(plain, Picture)
    assert (plain.notes, plain.spacing_mm, plain.format) == ((), None, "picture")
    assert (plain.image == picture.image).all()


def test_volumes_tell_the_distance_of_their_slices(tmp_path: Path) -> None:
    voxels = np.zeros((WIDTH, HEIGHT, 4), dtype=np.uint8)
    nifti = nibabel.Nifti1Image(voxels, np.diag([0.2, 0.3, 1.5, 1]))
    nifti.header.set_xyzt_units("mm")
    nibabel.save(nifti, tmp_path / "a.nii.gz")
    mha = SimpleITK.GetImageFromArray(voxels.T)
    mha.SetSpacing((0.2, 0.3, 1.5))
    SimpleITK.WriteImage(mha, str(tmp_path / "a.mha"))
    for name, form in (("a.nii.gz", "NIfTI"), ("a.mha", "MetaImage")):
        clip = as_clip(open_source(tmp_path / name))
        assert (len(clip), clip.size_hw, clip.is_volume, clip.fps, clip.format) == (
            4,
            (HEIGHT, WIDTH),
            True,
            None,
            form,
        )
        assert (*(clip.spacing_mm or ()), clip.slice_mm) == pytest.approx((0.2, 0.3, 1.5))


def test_planes_in_time_of_a_nifti_file_are_no_volume(tmp_path: Path) -> None:
    nifti = nibabel.Nifti1Image(np.zeros((WIDTH, HEIGHT, 1, 5), dtype=np.uint8), np.eye(4))
    nifti.header.set_xyzt_units("mm", "msec")
    nifti.header.set_zooms((1, 1, 1, 50))
    nibabel.save(nifti, tmp_path / "a.nii.gz")
    clip = as_clip(open_source(tmp_path / "a.nii.gz"))
    assert (len(clip), clip.is_volume, clip.slice_mm, clip.fps) == (5, False, None, pytest.approx(20))


def test_a_folder_of_frames_is_a_clip_in_natural_order(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(NUM_FRAMES):
        PIL.Image.fromarray(FRAMES[number]).save(folder / f"frame{number}.png")
    (folder / "notes.txt").write_text("no frame")
    clip = as_clip(open_source(folder))
    assert (len(clip), clip.name, clip.format) == (NUM_FRAMES, "frames", "folder")
    assert (greys(clip) == FRAMES).all()


def test_folders_that_are_no_clip_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no picture in this folder"):
        open_source(tmp_path)
    PIL.Image.fromarray(FRAMES[0]).save(tmp_path / "1.png")
    PIL.Image.fromarray(FRAMES[0, :20]).save(tmp_path / "2.png")
    with pytest.raises(InputError, match=r"2\.png: 64 x 20 pixels, but 1\.png has 64 x 48"):
        list(as_clip(open_source(tmp_path)))
    write_dicom(tmp_path / "0.dcm", FRAMES, num_frames=NUM_FRAMES)
    with pytest.raises(InputError, match=r"0\.dcm: holds 12 frames, but a frame of a folder is one picture"):
        open_source(tmp_path)


def test_a_file_object_of_any_format_is_read(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", FRAMES, num_frames=NUM_FRAMES)
    with path.open("rb") as file:
        clip = as_clip(open_source(file))
    assert (clip.name, clip.path) == ("a.dcm", None)
    assert (greys(clip) == FRAMES).all()
    (tmp_path / "b.png").write_bytes(b"no picture")
    with (tmp_path / "b.png").open("rb") as file, pytest.raises(InputError, match=r"^b\.png: not readable"):
        open_source(file)


def test_dicom_without_a_picture_that_can_be_read_says_why(tmp_path: Path) -> None:
    report = write_dicom(tmp_path / "report.dcm", FRAMES[0])
    dataset = pydicom.dcmread(report)
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(dataset, keyword)
    dataset.EncapsulatedDocument = b"%PDF-1.4"
    dataset.save_as(report)
    with pytest.raises(InputError, match=r"report\.dcm: holds no picture"):
        open_source(report)
    locked = tmp_path / "locked.dcm"
    locked.write_bytes(b"\x30\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03" + bytes(300))
    with pytest.raises(InputError, match=r"locked\.dcm: is encrypted"):
        open_source(locked)
    frame = encapsulate([bytes(100)])
    squeezed = write_dicom(tmp_path / "lossless.dcm", FRAMES[0], pixel_data=frame, TransferSyntaxUID=JPEGLosslessSV1)
    with pytest.raises(InputError, match=r"lossless\.dcm: compressed as JPEG Lossless.*nothing installed decodes"):
        open_source(squeezed)
    film = write_dicom(tmp_path / "film.dcm", FRAMES[0], pixel_data=frame, TransferSyntaxUID=MPEG4HP41)
    with pytest.raises(InputError, match=r"film\.dcm: compressed as MPEG-4.*; export it from its viewer as MP4 or AVI"):
        open_source(film)


def test_a_damaged_compression_is_an_error_and_no_traceback_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = write_dicom(
        tmp_path / "damaged.dcm", FRAMES[0], pixel_data=encapsulate([bytes(100)]), TransferSyntaxUID=RLELossless
    )
    with pytest.raises(InputError, match=r"damaged\.dcm: not readable as DICOM"):
        open_source(damaged)
    assert not caplog.records


def test_a_compressed_cine_is_read(tmp_path: Path) -> None:
    clip = as_clip(open_source(write_jpeg_dicom(tmp_path / "a.dcm", list(FRAMES))))
    assert np.abs(greys(clip).astype(int) - FRAMES).mean() < 3
