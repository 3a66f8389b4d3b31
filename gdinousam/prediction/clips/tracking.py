"""Which object is which from frame to frame: matching, getting lost, coming back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

from gdinousam.prediction.clips.answers import TrackedObject
from gdinousam.prediction.clips.asking import Asker, Candidate
from gdinousam.prediction.clips.flow import Carried, Carrier
from gdinousam.prediction.clips.settings import ClipSettings
from gdinousam.records import BoxXYXY, Detection, Image

NEAR = 2.0  # diameters from where an object was last seen, within which it may come back
CHANGED_AREA = 2.0  # times as large or as small as it was found last: it leaves the view, or something else is drawn
STEADY_IOU = 0.6  # of the box that was carried and the one found: the object moves as it was thought to


@dataclass(eq=False)
class _Track:
    """An object that is followed.

    is_confirmed: whether a second look of the detector found it. interval: frames until it is to be looked at again:
    one for what is new, in doubt or changing, twice as many after each look that found it where it was thought to be.
    num_missed: looks in a row that did not find it. area: in pixels, when it was found last.
    """

    number: int
    phrase: str
    score: float
    is_confirmed: bool
    interval: int = 1
    num_missed: int = 0
    area: int = 0


@dataclass(frozen=True)
class _Gone:
    """Where an object was last seen, in which frame."""

    number: int
    phrase: str
    box_xyxy: BoxXYXY
    frame: int


class Tracker:
    """Follows the objects of one view through all frames.

    asker: the detector, with the phrases. numbers: gives the next free number. What is kept of past frames is what the
    carrier keeps, and a line for each object that is gone, ``settings.remember`` frames long.
    """

    def __init__(
        self, asker: Asker, carrier: Carrier, phrases: Sequence[str], settings: ClipSettings, numbers: Iterator[int]
    ) -> None:
        self._asker, self._carrier, self._settings, self._numbers = asker, carrier, settings, numbers
        self._phrases = list(phrases)
        self._tracks: dict[int, _Track] = {}
        self._gone: list[_Gone] = []
        self._frame = -1
        self._last_look = -1

    def step(self, image: Image) -> tuple[tuple[TrackedObject, ...], bool]:
        """The objects of the next frame, (H, W, 3) uint8 RGB, and whether the detector looked at it."""
        self._frame += 1
        self._asker.begin(image)
        carried = dict(self._carrier.carry(image))
        lost = {number for number, one in carried.items() if self._is_lost(self._tracks[number], one)}
        is_key = bool(lost) or self._is_due()
        shown = {number: one.detection for number, one in carried.items()}
        detected = self._look(carried, lost, shown) if is_key else set()
        objects = [
            TrackedObject(number, replace(shown[number], phrase=track.phrase, score=track.score), number in detected)
            for number, track in self._tracks.items()
        ]
        objects.sort(key=lambda one: (self._phrases.index(one.detection.phrase), one.track))
        return tuple(objects), is_key

    def _is_lost(self, track: _Track, carried: Carried) -> bool:
        area = _area(carried.detection)
        has_changed = area * CHANGED_AREA < track.area or area > CHANGED_AREA * track.area
        return has_changed or carried.agreement < self._settings.lost_below

    def _is_due(self) -> bool:
        followed = {track.phrase for track in self._tracks.values()}
        waits = [self._settings.key_every, *(track.interval for track in self._tracks.values())]
        if any(phrase not in followed for phrase in self._phrases):
            waits.append(self._settings.search_every)
        return self._frame == 0 or self._frame - self._last_look >= min(waits)

    def _look(self, carried: Mapping[int, Carried], lost: set[int], shown: dict[int, Detection]) -> set[int]:
        """Let the detector look; fills in what is to be shown and returns the numbers of what was found."""
        self._last_look = self._frame
        candidates = self._asker.ask()
        places = {number: (track.phrase, carried[number].detection.box_xyxy) for number, track in self._tracks.items()}
        matches = matched(places, candidates, self._settings.match_iou)
        for number in [number for number in self._tracks if number not in matches]:
            self._miss(number, number in lost, carried[number].detection.box_xyxy)
        taken = set(matches.values())
        for place, number in self._begun([one for one in enumerate(candidates) if one[0] not in taken]).items():
            matches[number] = place
        found = self._asker.with_masks([candidates[place].detection for place in matches.values()])
        for number, detection in zip(matches, found, strict=True):
            self._see_again(self._tracks[number], detection, carried.get(number))
            shown[number] = self._carrier.anchor(number, detection)
            self._tracks[number].area = _area(shown[number])
        return set(matches)

    def _see_again(self, track: _Track, detection: Detection, carried: Carried | None) -> None:
        track.score, track.num_missed = detection.score, 0
        if carried is None:
            return
        track.is_confirmed = True
        is_steady = _box_ious([carried.detection.box_xyxy], [detection.box_xyxy])[0, 0] >= STEADY_IOU
        track.interval = min(2 * track.interval, self._settings.key_every) if is_steady else 1

    def _miss(self, number: int, is_lost: bool, box_xyxy: BoxXYXY) -> None:
        track = self._tracks[number]
        track.num_missed += 1
        track.interval = 1
        if not is_lost and track.is_confirmed and track.num_missed <= self._settings.max_missed:
            return
        del self._tracks[number]
        self._carrier.drop(number)
        if track.is_confirmed:
            self._gone.append(_Gone(number, track.phrase, box_xyxy, self._frame))

    def _begun(self, free: Sequence[tuple[int, Candidate]]) -> dict[int, int]:
        """Begin to follow what is certain and not followed yet; returns its number for the place of each candidate."""
        certain = [(place, one.detection) for place, one in free if one.is_certain]
        self._gone = [one for one in self._gone if self._frame - one.frame <= self._settings.remember]
        back = returned(self._gone, [detection for _, detection in certain])
        self._gone = [one for one in self._gone if one not in back.values()]
        begun = {}
        for index, (place, detection) in enumerate(certain):
            number = back[index].number if index in back else next(self._numbers)
            self._tracks[number] = _Track(number, detection.phrase, detection.score, index in back)
            begun[place] = number
        return begun


def _area(detection: Detection) -> int:
    assert detection.mask_hw is not None
    return int(np.count_nonzero(detection.mask_hw))


def matched(
    places: Mapping[int, tuple[str, BoxXYXY]], candidates: Sequence[Candidate], least_iou: float
) -> dict[int, int]:
    """Which candidate is which object: by number the place of the candidate, best overlap of all pairs together.

    places: phrase and box of each object. Only pairs of one phrase whose boxes overlap by ``least_iou`` count.
    """
    if not places or not candidates:
        return {}
    numbers = list(places)
    overlaps = _box_ious([places[number][1] for number in numbers], [one.detection.box_xyxy for one in candidates])
    same = np.array([[places[number][0] == one.detection.phrase for one in candidates] for number in numbers])
    overlaps = np.where(same & (overlaps >= least_iou), overlaps, 0.0)
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    return {numbers[row]: int(column) for row, column in zip(rows, columns, strict=True) if overlaps[row, column] > 0.0}


def _box_ious(first: Sequence[BoxXYXY], second: Sequence[BoxXYXY]) -> npt.NDArray[np.float64]:
    boxes = [torch.tensor(of_side, dtype=torch.float64) for of_side in (first, second)]
    return np.asarray(box_iou(*boxes), dtype=np.float64)


def returned(gone: Sequence[_Gone], detections: Sequence[Detection]) -> dict[int, _Gone]:
    """Which detections are objects that were gone: of the same phrase and near; the nearest pairs together."""
    if not gone or not detections:
        return {}
    far = math.inf
    distances = np.array([[_distance(one, detection) for one in gone] for detection in detections])
    finite = np.where(distances < far, distances, 1e9)  # the assignment takes no infinite cost where all are
    rows, columns = linear_sum_assignment(finite)
    return {int(row): gone[column] for row, column in zip(rows, columns, strict=True) if distances[row, column] < far}


def _distance(gone: _Gone, detection: Detection) -> float:
    """Between centres, in diameters of the larger box; infinite where it cannot be the same object."""
    (x0, y0, x1, y1), (u0, v0, u1, v1) = gone.box_xyxy, detection.box_xyxy
    area = max((x1 - x0) * (y1 - y0), (u1 - u0) * (v1 - v0), 1.0)
    if gone.phrase != detection.phrase:
        return math.inf
    distance = math.hypot((x0 + x1 - u0 - u1) / 2, (y0 + y1 - v0 - v1) / 2) / math.sqrt(area)
    return distance if distance <= NEAR else math.inf
