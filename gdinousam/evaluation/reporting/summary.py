"""What a line of a table says of some rows: of one dataset, of all queries, of a stratum.

Percentages are in [0, 100], distances in pixels of the original image. Every mean is over queries and comes with a
95 % bootstrap interval over patients where they are known, else images; every value is nan where it is a mean of
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.paper_numbers import in_paper_order
from gdinousam.evaluation.reporting.statistics import macro_intervals, resampling_unit
from gdinousam.evaluation.scoring.box_precision import BoxPrecision, box_precision
from gdinousam.evaluation.scoring.box_recall import recall_50
from gdinousam.evaluation.scoring.rows import ProtocolName, ScoreRow

POOLED = "all queries"
AVERAGE = "average"
FEW = 50  # below this many images a mean says little, and tables say so
ANSWERS = (
    "Answered: queries in which anything was found, right or wrong. Recall: share of a query's objects whose box was "
    "found with a box IoU of 0.5 or more."
)


@dataclass(frozen=True)
class Summary:
    """One line of a table. NAME_low and NAME_high are the ends of the interval of NAME, nan where it has none.

    dataset: its name, or what else the line is about.
    num_scored: queries behind Dice, IoU, surface Dice and box IoU. num_left_out: queries with a target that these means
    do not hold. num_unsupported: queries that the method cannot answer; none of the other numbers knows of them.
    num_images, num_groups: images and resampled units behind num_scored.
    dice, iou, surface_dice, box_iou: means over queries, std: population standard deviation. A query in which nothing
    was found has box IoU 0 if it is scored.
    num_surfaces: scored queries in which prediction and truth both have a surface; the only ones behind hausdorff_95
    and surface_distance.
    detection: share of the queries with a target that got an answer, right or wrong. recall_50: their mean share of
    objects whose box was found, with a box IoU of 0.5 or more; 0 where nothing was found.
    num_absent: queries without a target. specificity: share of them that got no detection.
    num_true_boxes: objects behind ap, ap50, ap75, the average precision of the boxes; strict protocol only.
    """

    protocol: ProtocolName
    dataset: str
    num_images: int
    num_groups: int
    num_scored: int
    num_left_out: int
    num_unsupported: int
    dice_percent: float
    dice_std_percent: float
    dice_low_percent: float
    dice_high_percent: float
    iou_percent: float
    iou_std_percent: float
    iou_low_percent: float
    iou_high_percent: float
    surface_dice_percent: float
    surface_dice_std_percent: float
    surface_dice_low_percent: float
    surface_dice_high_percent: float
    num_surfaces: int
    hausdorff_95_pixels: float
    hausdorff_95_std_pixels: float
    hausdorff_95_low_pixels: float
    hausdorff_95_high_pixels: float
    surface_distance_pixels: float
    surface_distance_std_pixels: float
    surface_distance_low_pixels: float
    surface_distance_high_pixels: float
    box_iou_percent: float
    box_iou_std_percent: float
    box_iou_low_percent: float
    box_iou_high_percent: float
    detection_percent: float
    detection_low_percent: float
    detection_high_percent: float
    recall_50_percent: float
    recall_50_low_percent: float
    recall_50_high_percent: float
    num_absent: int
    specificity_percent: float
    specificity_low_percent: float
    specificity_high_percent: float
    num_true_boxes: int
    ap_percent: float
    ap50_percent: float
    ap75_percent: float


def summarize(rows: Sequence[ScoreRow], protocol: ProtocolName) -> list[Summary]:
    """Summaries of the rows of one protocol: one per dataset, in the paper's order, then the average.

    The average is the plain mean over the datasets that have a value, so that a small one weighs as much as a large
    one; its counts are totals, its standard deviations means, as in the paper's tables, and its intervals come from
    resampling within each dataset. Without rows of that protocol only the average is returned, with n 0 and nan.
    Raises InputError for a row that lacks a score.
    """
    by_dataset: dict[str, list[ScoreRow]] = {}
    for row in rows:
        of_dataset = by_dataset.setdefault(row.dataset, [])
        if row.protocol == protocol:
            of_dataset.append(row)
    precisions = {dataset: box_precision(of_dataset) for dataset, of_dataset in by_dataset.items()}
    names = in_paper_order(by_dataset)  # not for the average, whose interval depends on the order in its last digits
    summaries = [_summary([by_dataset[name]], protocol, name, [precisions[name]]) for name in names]
    return [*summaries, _summary(list(by_dataset.values()), protocol, AVERAGE, list(precisions.values()))]


def summary_of(
    rows: Sequence[ScoreRow], protocol: ProtocolName, name: str = POOLED, with_precision: bool = True
) -> Summary:
    """Summary of the rows of one protocol, all together, every query weighing the same; n 0 and nan without rows.

    with_precision: whether to compute the average precision, the slowest part; else it is nan and num_true_boxes 0.
    """
    of_protocol = [row for row in rows if row.protocol == protocol]
    return _summary([of_protocol], protocol, name, [box_precision(of_protocol)] if with_precision else [])


@dataclass(frozen=True)
class _Measure:
    """A mean over queries. score: of a row, nan where the row does not count; scale: from it to the unit printed."""

    name: str
    unit: str
    score: Callable[[ScoreRow], float]
    scale: int
    has_std: bool = True


def _answered(row: ScoreRow) -> float:
    return float(row.found) if row.target_present else math.nan


def _silent(row: ScoreRow) -> float:
    return math.nan if row.target_present else float(not row.found)


# Those that are known for the same rows stand together and are resampled together.
_MEASURES = (
    (
        _Measure("dice", "percent", lambda row: row.dice, 100),
        _Measure("iou", "percent", lambda row: row.iou, 100),
        _Measure("surface_dice", "percent", lambda row: row.surface_dice, 100),
        _Measure("box_iou", "percent", lambda row: row.box_iou if row.found else 0.0, 100),
    ),
    (
        _Measure("hausdorff_95", "pixels", lambda row: row.hausdorff_95, 1),
        _Measure("surface_distance", "pixels", lambda row: row.surface_distance, 1),
    ),
    (_Measure("detection", "percent", _answered, 100, has_std=False),),
    (_Measure("recall_50", "percent", recall_50, 100, has_std=False),),
    (_Measure("specificity", "percent", _silent, 100, has_std=False),),
)
_PRECISIONS = ("ap", "ap50", "ap75")


def _summary(
    parts: Sequence[Sequence[ScoreRow]], protocol: ProtocolName, name: str, precisions: Sequence[BoxPrecision]
) -> Summary:
    """The mean over the parts of each part's mean; a single part is that part's own summary."""
    num_queries = sum(map(len, parts))
    parts = [[row for row in part if row.supported] for part in parts]
    rows = [row for part in parts for row in part]
    for row in rows:
        _require_scores(row)
    scored = [row for row in rows if not math.isnan(row.dice)]
    values: dict[str, Any] = {}
    for measures in _MEASURES:
        values |= _measured(measures, parts)
    return Summary(
        protocol=protocol,
        dataset=name,
        num_images=len({(row.dataset, row.image_name) for row in scored}),
        num_groups=len({resampling_unit(row) for row in scored}),
        num_scored=len(scored),
        num_left_out=sum(row.target_present for row in rows) - len(scored),
        num_unsupported=num_queries - len(rows),
        num_surfaces=sum(not math.isnan(row.hausdorff_95) for row in rows),
        num_absent=sum(not row.target_present for row in rows),
        **values,
        **_average_precision(precisions),
    )


def _require_scores(row: ScoreRow) -> None:
    """Raise InputError for a row without a score that its protocol gives: it would leave a mean without a word."""
    scored = row.target_present and (row.found or row.protocol == "strict")
    wanted = {"dice": row.dice, "iou": row.iou, "surface_dice": row.surface_dice} if scored else {}
    if scored and row.found:
        wanted["box_iou"] = row.box_iou
    if not (math.isnan(row.hausdorff_95) and math.isnan(row.surface_distance)):
        wanted |= {"hausdorff_95": row.hausdorff_95, "surface_distance": row.surface_distance}
    lacking = [name for name, score in wanted.items() if not math.isfinite(score)]
    if lacking:
        raise InputError(
            f"{row.dataset} {row.image_name} {row.phrase!r}: {', '.join(lacking)} is not a number in a {row.protocol} "
            "row that has to be scored; the rows were edited by hand or damaged: evaluate again"
        )


def _measured(measures: Sequence[_Measure], parts: Sequence[Sequence[ScoreRow]]) -> dict[str, float]:
    """Fields of measures that are known for the same rows."""
    known = [[row for row in part if not math.isnan(measures[0].score(row))] for part in parts]
    samples = [([[one.score(row) for row in part] for one in measures], part) for part in known if part]
    grouped = [(scores, [resampling_unit(row) for row in part]) for scores, part in samples]
    fields: dict[str, float] = {}
    for place, (measure, interval) in enumerate(zip(measures, macro_intervals(grouped, len(measures)), strict=True)):
        values = {"": interval.mean, "_low": interval.low, "_high": interval.high}
        if measure.has_std:
            deviations = [np.std(scores[place]) for scores, _ in samples]
            values["_std"] = float(np.mean(deviations)) if deviations else math.nan
        fields |= {f"{measure.name}{end}_{measure.unit}": measure.scale * value for end, value in values.items()}
    return fields


def _average_precision(precisions: Sequence[BoxPrecision]) -> dict[str, Any]:
    known = [one for one in precisions if one.num_true_boxes]
    means = {name: np.mean([getattr(one, name) for one in known]) if known else math.nan for name in _PRECISIONS}
    return {
        "num_true_boxes": sum(one.num_true_boxes for one in known),
        **{f"{name}_percent": 100 * float(mean) for name, mean in means.items()},
    }
