"""Following objects through clips: identities, getting lost, coming back, little memory, odd clips."""

import tracemalloc
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import pytest

from gdinousam.data.masks import tight_box_xyxy
from gdinousam.data.sources.phantoms import VARIED
from gdinousam.data.sources.phantoms.clips import ClipSettings as PhantomLook
from gdinousam.data.sources.phantoms.clips import make_clip
from gdinousam.errors import InputError
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.prediction.clips.answers import FrameAnswer
from gdinousam.prediction.clips.segmenting import segment_clip
from gdinousam.prediction.clips.settings import ClipSettings
from gdinousam.prediction.sources import Clip
from gdinousam.records import BoxXYXY, Detection, Image, Need

SIDE = 96


class BrightSpots:
    """A method that finds every bright spot and calls it by the first phrase. num_calls: how often it was asked."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self) -> None:
        self.num_calls = 0

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        self.num_calls += 1
        return [self._spots(image, row[0]) for image, row in zip(images, phrases, strict=True)]

    def _spots(self, image: Image, phrase: str) -> list[Detection]:
        number, labels = cv2.connectedComponents((image[..., 0] > 200).astype(np.uint8))
        masks = [labels == label for label in range(1, number)]
        boxes = [tight_box_xyxy(mask) for mask in masks]
        return [Detection(phrase, box, 0.9, mask) for box, mask in zip(boxes, masks, strict=True) if box is not None]


def clip_of(
    draw: Callable[[int], Image], num_frames: int, views: Sequence[BoxXYXY] = ((0, 0, SIDE, SIDE),), fps: float = 20.0
) -> Clip:
    def frames() -> Iterator[Image]:
        return (draw(index) for index in range(num_frames))

    return Clip("clip", num_frames, SIDE, SIDE, fps, None, None, False, tuple(views), frames)


def spots(*places_xy: tuple[float, float], radius: int = 9) -> Image:
    """Bright discs on speckle that is the same in every frame."""
    grey = np.random.default_rng(0).integers(0, 60, (SIDE, SIDE), dtype=np.uint8)
    for x, y in places_xy:
        cv2.circle(grey, (round(x), round(y)), radius, 255, cv2.FILLED)
    return np.repeat(grey[..., None], 3, axis=2)


def numbers(answers: Sequence[FrameAnswer]) -> list[list[int]]:
    return [[one.track for one in answer.objects] for answer in answers]


def test_objects_that_move_keep_their_numbers_and_are_carried_between_key_frames() -> None:
    method = BrightSpots()
    clip = clip_of(lambda frame: spots((15 + frame, 25), (80 - frame, 70)), 40)
    answers = list(segment_clip(method, clip, ["spot"]))
    assert numbers(answers) == [[1, 2]] * 40
    assert method.num_calls == sum(answer.is_key for answer in answers) < 15
    for answer in answers:
        left, right = (one.detection for one in answer.objects)
        for detection, x, y in ((left, 15 + answer.index, 25), (right, 80 - answer.index, 70)):
            assert detection.mask_hw is not None and detection.mask_hw[y, x]
            assert 200 < detection.mask_hw.sum() < 310  # the disc has 253 pixels
    assert [answer.time_s for answer in answers[:2]] == [0.0, 0.05]


def test_an_object_that_leaves_is_gone_and_comes_back_under_its_number() -> None:
    def x(frame: int) -> float:
        return 80 + 3 * (frame if frame < 25 else max(50 - frame, 0))

    clip = clip_of(lambda frame: spots((x(frame), 50), (20, 20)), 60)
    answers = list(segment_clip(BrightSpots(), clip, ["spot"]))
    seen = numbers(answers)
    assert seen[0] == [1, 2]
    away = [frame for frame in range(50) if x(frame) > SIDE + 9]
    assert len(away) > 20
    assert sum(len(seen[frame]) > 1 for frame in away) <= 3
    assert seen[-1] == [1, 2]
    assert {number for of_frame in seen for number in of_frame} == {1, 2}


def test_an_object_that_appears_later_gets_a_new_number_at_the_next_key_frame() -> None:
    clip = clip_of(lambda frame: spots((30, 30), *([(70, 70)] if frame >= 15 else [])), 40)
    answers = list(segment_clip(BrightSpots(), clip, ["spot"], ClipSettings(key_every=8)))
    first = next(answer.index for answer in answers if len(answer.objects) == 2)
    assert 15 <= first <= 15 + 8
    assert numbers(answers)[first:] == [[1, 2]] * (40 - first)


def test_an_object_that_comes_back_far_away_is_another_one() -> None:
    clip = clip_of(lambda frame: spots((15, 15)) if frame < 10 else spots(*([(80, 80)] if frame > 20 else [])), 35)
    assert numbers(list(segment_clip(BrightSpots(), clip, ["spot"])))[-1] == [2]


def test_what_is_found_in_one_frame_only_does_not_stay() -> None:
    clip = clip_of(lambda frame: spots(*([(40, 40)] if frame == 0 else [])), 12)
    assert numbers(list(segment_clip(BrightSpots(), clip, ["spot"])))[2:] == [[]] * 10


def test_a_cut_to_another_scene_is_noticed_at_once() -> None:
    clip = clip_of(lambda frame: spots((25, 25)) if frame < 17 else spots((70, 65), radius=14), 24)
    answers = list(segment_clip(BrightSpots(), clip, ["spot"], ClipSettings(key_every=100)))
    mask = answers[17].objects[-1].detection.mask_hw
    assert answers[17].is_key and mask is not None and mask[65, 70] and not mask[25, 25]


def test_each_view_is_followed_on_its_own_with_numbers_that_differ() -> None:
    views = ((0, 0, 48, SIDE), (48, 0, SIDE, SIDE))
    clip = clip_of(lambda frame: spots((20, 30 + frame), (75, 50)), 12, views)
    answers = list(segment_clip(BrightSpots(), clip, ["spot"]))
    assert numbers(answers) == [[1, 2]] * 12
    mask = answers[-1].objects[1].detection.mask_hw
    assert mask is not None and mask.shape == (SIDE, SIDE) and mask[50, 75]


def test_a_clip_of_one_frame_is_answered_and_one_without_frames_is_refused() -> None:
    (answer,) = segment_clip(BrightSpots(), clip_of(lambda _: spots((40, 40)), 1), ["spot"])
    assert numbers([answer]) == [[1]] and answer.is_key
    with pytest.raises(InputError, match="clip: has no frames"):
        segment_clip(BrightSpots(), clip_of(lambda _: spots(), 0), ["spot"])


def test_memory_that_is_not_there_is_refused_before_the_first_frame() -> None:
    with pytest.raises(InputError, match="the mask head has no memory"):
        segment_clip(BrightSpots(), clip_of(lambda _: spots(), 2), ["spot"], ClipSettings(carry="memory"))


def test_frames_and_masks_are_not_kept() -> None:
    """300 frames of 27 kB and as many masks of 9 kB are 11 MB; what is held at a time is that of a few frames."""
    clip = clip_of(lambda frame: spots((30 + 20 * np.sin(frame / 9), 40), (70, 70)), 300)
    answers = segment_clip(BrightSpots(), clip, ["spot"])
    for _ in range(20):
        next(answers)
    tracemalloc.start()
    try:
        num_frames = sum(1 for _ in answers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert num_frames == 280
    assert peak < 2e6


@pytest.fixture(scope="module")
def small() -> TextSegmenter:
    return load_segmenter("small", "small", device="cpu")


def test_a_key_frame_everywhere_without_smoothing_is_frame_by_frame(small: TextSegmenter) -> None:
    phantoms = make_clip(3, 3, PhantomLook(look=VARIED))
    images = [phantom.image for phantom in phantoms]
    height, width = phantoms.size_hw
    clip = Clip("x", 3, width, height, None, None, None, False, ((0, 0, width, height),), lambda: iter(images))
    settings = ClipSettings(key_every=1, search_every=1, max_missed=0, smoothing=0.0, keep_share=1.0)
    answers = list(segment_clip(small, clip, ["cyst"], settings))
    for answer, alone in zip(answers, small.segment(images, [["cyst"]] * 3), strict=True):
        assert len(answer.objects) == len(alone) > 0
        for followed, detection in zip(answer.objects, alone, strict=True):
            np.testing.assert_array_equal(followed.detection.mask_hw, detection.mask_hw)
            assert followed.detection.box_xyxy == pytest.approx(detection.box_xyxy)
            assert followed.is_detected and answer.time_s is None


def test_the_small_model_follows_a_cyst_through_a_phantom_clip_with_few_key_frames(small: TextSegmenter) -> None:
    phantoms = make_clip(3, 14, PhantomLook(look=VARIED))
    images = [phantom.image for phantom in phantoms]
    height, width = phantoms.size_hw
    clip = Clip("x", 14, width, height, None, None, None, False, ((0, 0, width, height),), lambda: iter(images))
    answers = list(segment_clip(small, clip, list(dict.fromkeys(phantoms.phrases))))
    assert sum(answer.is_key for answer in answers) <= 7
    assert all(answer.objects for answer in answers)
    assert {one.track for one in answers[0].objects} & {one.track for one in answers[-1].objects}
