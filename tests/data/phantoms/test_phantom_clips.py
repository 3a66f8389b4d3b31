"""Phantom clips: exact masks that move with the tissue, speckle that stays with it, targets that leave and return."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from gdinousam.commands.make_phantoms import make_phantoms_command
from gdinousam.data.images import read_image
from gdinousam.data.sources.phantoms import PhantomSettings, make_phantom
from gdinousam.data.sources.phantoms.clips import LEAVING_FAMILIES, ClipSettings, make_clip
from gdinousam.data.sources.video import read_video
from gdinousam.errors import InputError


def test_the_same_seed_gives_the_same_frames_in_any_order() -> None:
    first, second = make_clip(5, 8), make_clip(5, 8)
    np.testing.assert_array_equal(first.frame(7).image, list(second)[7].image)
    assert (first.frame(0).image != first.frame(7).image).any()


def test_targets_are_in_view_in_every_frame_of_a_clip_that_does_not_leave() -> None:
    for family in ("breast", "kidney", "prostate"):
        clip = make_clip(2, 30, family=family)
        areas = np.array([[mask.sum() for _, mask in frame.instances] for frame in clip])
        assert areas.shape == (30, len(clip.phrases)) and (areas > 0).all()
        assert (areas.min(axis=0) > 0.5 * areas.max(axis=0)).all()
        assert (areas.min(axis=0) < areas.max(axis=0)).any()


@pytest.mark.parametrize("family", LEAVING_FAMILIES)
def test_a_target_that_leaves_is_away_for_a_while_and_returns_whole(family: str) -> None:
    clip = make_clip(4, 40, family=family, leaves=True)
    areas = [int(frame.instances[0][1].sum()) for frame in clip]
    assert areas[0] > 0 and areas[-1] > 0.7 * areas[0]
    assert areas[18:26] == [0] * 8


def test_speckle_moves_with_the_tissue() -> None:
    """Taken back by the motion of the target, a frame looks like the one before; a phantom drawn anew does not."""
    clip = make_clip(7, 6, ClipSettings(fresh=0.0))
    before, after = (clip.frame(index).image[..., 0] for index in (0, 3))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(
        before, after, np.zeros((*before.shape, 2), np.float32)
    )
    y, x = np.mgrid[: before.shape[0], : before.shape[1]].astype(np.float32)
    back = cv2.remap(after, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    inner = (slice(12, -12), slice(12, -12))
    assert np.corrcoef(back[inner].ravel(), before[inner].ravel())[0, 1] > 0.9
    settings = PhantomSettings(height_range=before.shape[:1] * 2, width_range=before.shape[1:] * 2)
    other = make_phantom(np.random.default_rng(1), settings).image[..., 0]
    assert np.corrcoef(other[inner].ravel(), before[inner].ravel())[0, 1] < 0.6


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="number of frames is 0"):
        make_clip(0, 0)
    with pytest.raises(InputError, match="targets of 'kidney' do not leave the view"):
        make_clip(0, 5, family="kidney", leaves=True)
    with pytest.raises(InputError, match=r"fresh = 2.0"):
        ClipSettings(fresh=2.0)


def test_the_command_writes_videos_and_masks_that_read_back_exactly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clips"
    assert make_phantoms_command([str(out), "--clips", "2", "--frames", "4", "--seed", "3"]) == 0
    assert capsys.readouterr().out == f"2 clips of 4 frames in {out}\n"
    clip = make_clip(3000, 4, leaves=True)
    for frame, stored in zip(clip, read_video(out / "clip_000.avi"), strict=True):
        height, width = stored.shape[:2]
        assert (height % 2, width % 2) == (0, 0) and abs(frame.image.shape[0] - height) < 2
        np.testing.assert_array_equal(stored, frame.image[:height, :width])
    for number, (_, mask) in enumerate(clip.frame(2).instances, start=1):
        stored_mask = read_image(out / "clip_000" / f"object_{number}" / "frame_0002.png")
        np.testing.assert_array_equal(stored_mask[..., 0] > 0, mask[:height, :width])
    with (out / "objects.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["clip"] == "clip_000"]
    assert [row["phrase"] for row in rows] == list(clip.phrases)
    with pytest.raises(InputError, match="exists already"):
        make_phantoms_command([str(out), "--clips", "1"])
