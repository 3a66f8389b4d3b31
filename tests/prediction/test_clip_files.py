"""What is written for a clip: video, still, table, plot and masks, all of which are read back."""

import csv
import resource
from pathlib import Path

import nibabel
import numpy as np
import pytest

from gdinousam.data.sources.phantoms.clip_files import write_clips
from gdinousam.data.sources.video import read_video
from gdinousam.errors import InputError
from gdinousam.prediction.clips.answers import FrameAnswer
from gdinousam.prediction.files import predict_files
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.prediction.sources import Clip, open_source
from gdinousam.prediction.writing.clips import COLUMNS, clip_names, write_clip


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load("small", device="cpu")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms") / "clips"
    write_clips(folder, 1, 5, seed=3, families=("liver",))
    return folder / "clip_000.avi"


@pytest.fixture(scope="module")
def answers(segmenter: Segmenter, video: Path) -> list[FrameAnswer]:
    return list(segmenter.predict_clip(video, ["benign liver lesion", "malignant liver lesion"]))


def test_every_frame_of_a_video_is_answered(answers: list[FrameAnswer]) -> None:
    assert [answer.index for answer in answers] == list(range(5))
    assert [answer.time_s for answer in answers] == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])
    assert any(answer.objects for answer in answers)


def test_a_clip_on_the_way_of_files_is_written_and_its_masks_are_those_of_the_answers(
    segmenter: Segmenter, video: Path, answers: list[FrameAnswer], tmp_path: Path
) -> None:
    (outcome,) = predict_files(segmenter, [video], ["benign liver lesion", "malignant liver lesion"], tmp_path)
    assert outcome.failure is None and outcome.record is not None
    assert outcome.record["num_frames"] == 5
    assert outcome.lines[0].startswith(f"{video}: benign liver lesion: ")
    assert outcome.lines[2].endswith(f"-> {tmp_path / 'clip_000_overlay.mp4'}, {tmp_path / 'clip_000_frames.csv'}")
    assert all((tmp_path / name).stat().st_size > 0 for name in clip_names("clip_000"))
    assert len(list(read_video(tmp_path / "clip_000_overlay.mp4"))) == 5
    labels = np.asarray(nibabel.load(tmp_path / "clip_000_seg.nii.gz").dataobj)
    for answer in answers:
        expected = np.zeros(answer.image.shape[:2], dtype=int)
        for one in reversed(answer.objects):
            expected[one.detection.mask_hw] = one.track
        assert set(np.unique(labels[..., answer.index])) <= {0, *(one.track for one in answer.objects)}
        np.testing.assert_array_equal(labels[..., answer.index].T > 0, expected > 0)
    with (tmp_path / "clip_000_frames.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(int(row["frame"]), int(row["track"])) for row in rows] == [
        (answer.index, one.track) for answer in answers for one in answer.objects
    ]
    first = answers[int(rows[0]["frame"])].objects[0].detection
    assert first.mask_hw is not None
    assert float(rows[0]["area"]) == first.mask_hw.sum() and rows[0]["unit"] == "pixels"
    (again,) = predict_files(segmenter, [video], ["benign liver lesion", "malignant liver lesion"], tmp_path)
    assert again.was_done


def test_a_video_for_which_the_disk_has_no_room_is_an_error_and_not_a_part_of_it(
    segmenter: Segmenter, video: Path, answers: list[FrameAnswer], tmp_path: Path
) -> None:
    clip = open_source(video)
    assert isinstance(clip, Clip)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"full_overlay\.mp4: could not be written whole; free some room there"):
            write_clip(answers, clip, tmp_path, "full", segmenter.made_by)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "full_overlay.mp4").exists()
