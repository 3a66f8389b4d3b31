"""The cases that a report shows: the worst, median and best answers of a method, what it missed, its false alarms."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2

from gdinousam.evaluation.figures.case_pictures import CasePictures
from gdinousam.evaluation.figures.choice import RULES, choose
from gdinousam.evaluation.figures.outlines import outlined
from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.evaluation.scoring.strata import NUMBERS, SIZES, number_of_targets, target_size
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Image

Outcome = Literal["answered", "missed", "false alarm"]
PER_KIND = 48  # cases of worst, of median, of best, of missed and of false alarms, over all datasets and methods
ROUNDS = 6  # at most so many of a kind from one dataset and method
MAX_BYTES = 6_000_000  # of all JPEG files together; in the page they take a third more
GOOD_DICE, FAIR_DICE = 0.8, 0.5  # from which on a case is coloured as good or fair; our own cuts
_SIDE, _QUALITY = 256, 78  # longer side of a thumbnail in pixels, of JPEG


@dataclass(frozen=True, eq=False)
class GalleryCase:
    """A case on the page. ranks: any of worst, median and best. truth, prediction: JPEG as data URI, equal sizes."""

    method: str
    row: ScoreRow
    outcome: Outcome
    ranks: tuple[str, ...]
    truth: str
    prediction: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Gallery:
    """cases: shown. num_queries: how many there are by outcome, of all methods. num_dropped: chosen, but no room.
    num_unsupported: queries that were not asked.
    """

    cases: list[GalleryCase]
    num_queries: dict[Outcome, int]
    num_dropped: int = 0
    num_unsupported: int = 0


@dataclass
class _Choice:
    method: str
    row: ScoreRow
    outcome: Outcome
    ranks: list[str]


def outcome_of(row: ScoreRow) -> Outcome | None:
    """What became of a strict query; ``None`` where the target is absent and nothing was found, as it should be, and
    where the method was not asked.
    """
    if not row.supported:
        return None
    if row.target_present:
        return "answered" if row.found else "missed"
    return "false alarm" if row.found else None


def quality_of(row: ScoreRow) -> Literal["good", "fair", "poor"]:
    """How a case that was answered is coloured: by its Dice, since an answer may be wrong."""
    return "good" if row.dice >= GOOD_DICE else "fair" if row.dice >= FAIR_DICE else "poor"


def make_gallery(compared: Compared, pictures: CasePictures) -> Gallery:
    """Choose cases and draw them; the same results give the same gallery.

    compared: of the strict protocol. Ranks are by Dice among what a method answered in a dataset; what it missed and
    its false alarms count as worst. A case that is worst and best at once, being the only one, is shown once. Of every
    kind the datasets and methods take turns, until the limits of this module are reached.
    """
    num_queries: dict[Outcome, int] = {"answered": 0, "missed": 0, "false alarm": 0}
    for rows in compared.rows.values():
        for row in rows:
            if (outcome := outcome_of(row)) is not None:
                num_queries[outcome] += 1
    chosen = _choose(compared)
    cases: list[GalleryCase] = []
    num_bytes = 0
    for choice in ProgressBar(len(chosen), "gallery", "case").over(chosen):
        case = _draw(choice, pictures)
        num_bytes += (len(case.truth) + len(case.prediction)) * 3 // 4
        if num_bytes > MAX_BYTES:
            break
        cases.append(case)
    cases.sort(key=lambda case: (compared.datasets.index(case.row.dataset), *_badness(case)))
    num_unsupported = sum(not row.supported for rows in compared.rows.values() for row in rows)
    return Gallery(cases, num_queries, len(chosen) - len(cases), num_unsupported)


def strata_cases(compared: Compared, pictures: CasePictures) -> list[tuple[str, GalleryCase]]:
    """The median case by Dice of the first method for each size and each number of targets, with the stratum's name."""
    method, rows = next(iter(compared.rows.items()))
    kinds: list[tuple[str, Callable[[ScoreRow], str | None], tuple[str, ...]]] = [
        ("target size", target_size, SIZES),
        ("number of targets", number_of_targets, NUMBERS),
    ]
    cases = []
    for kind, name_of, names in kinds:
        for name in names:
            members = [row for row in rows if row.supported and name_of(row) == name]
            for place in choose(members, "median"):
                outcome = outcome_of(members[place])
                assert outcome is not None
                choice = _Choice(method, members[place], outcome, ["median"])
                cases.append((f"{kind}: {name}", _draw(choice, pictures)))
    return cases


def _badness(case: GalleryCase) -> tuple[int, float]:
    """The worst come first: missed, false alarms, and then by Dice."""
    place = ("missed", "false alarm", "answered").index(case.outcome)
    return place, case.row.dice if case.outcome == "answered" else 0.0


def _choose(compared: Compared) -> list[_Choice]:
    """Chosen cases, those of the first round first, so that what is cut off at the end are repetitions."""
    kinds = {kind: list(_in_turns(compared, kind))[:PER_KIND] for kind in ("missed", "false alarm", *RULES)}
    by_case: dict[tuple[str, str, str, str], _Choice] = {}
    longest = max(map(len, kinds.values()))
    for turn in range(longest):
        for kind, cases in kinds.items():
            if turn >= len(cases):
                continue
            method, row = cases[turn]
            outcome = outcome_of(row)
            assert outcome is not None
            key = (method, row.dataset, row.image_name, row.phrase)
            choice = by_case.setdefault(key, _Choice(method, row, outcome, []))
            choice.ranks.append(kind if kind in RULES else "worst")
    return list(by_case.values())


def _in_turns(compared: Compared, kind: str) -> Iterator[tuple[str, ScoreRow]]:
    """Cases of a kind: the first of each dataset and method, then the second of each, and so on."""
    queues = [
        _of_kind([row for row in rows if row.dataset == dataset], kind)
        for rows in compared.rows.values()
        for dataset in compared.datasets
    ]
    owners = [method for method in compared.rows for _ in compared.datasets]
    for turn in range(ROUNDS):
        for method, queue in zip(owners, queues, strict=True):
            if turn < len(queue):
                yield method, queue[turn]


def _of_kind(rows: Sequence[ScoreRow], kind: str) -> list[ScoreRow]:
    if kind not in RULES:
        return [row for row in rows if outcome_of(row) == kind]
    found = [row for row in rows if outcome_of(row) == "answered"]
    return [found[place] for place in choose(found, kind, ROUNDS)]


def _draw(choice: _Choice, pictures: CasePictures) -> GalleryCase:
    row = choice.row
    image = pictures.image(row)
    truth_hw = pictures.truth(row)
    found = (None, pictures.prediction(choice.method, row))
    truth, prediction = (_thumbnail(outlined(image, mask_hw, truth_hw)) for mask_hw in found)
    height, width = truth.shape[:2]
    ranks = tuple(rank for rank in ("worst", "median", "best") if rank in choice.ranks)
    return GalleryCase(choice.method, row, choice.outcome, ranks, _jpeg(truth), _jpeg(prediction), width, height)


def _thumbnail(panel: Image) -> Image:
    scale = _SIDE / max(panel.shape[:2])
    size_wh = (max(1, round(scale * panel.shape[1])), max(1, round(scale * panel.shape[0])))
    return cv2.resize(panel, size_wh, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _jpeg(picture: Image) -> str:
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(coded.tobytes()).decode("ascii")


def case_text(row: ScoreRow) -> str:
    """What became of a case, in a line."""
    if not row.target_present:
        return f"found {row.num_detections}, absent from the image"
    targets = f"{row.num_instances} objects, " if row.num_instances > 1 else ""
    if not row.found:
        return f"{targets}nothing found"
    distance = "" if math.isnan(row.hausdorff_95) else f", HD95 {row.hausdorff_95:.1f} px"
    return f"{targets}Dice {100 * row.dice:.1f}, IoU {100 * row.iou:.1f}{distance}, score {row.score:.2f}"
