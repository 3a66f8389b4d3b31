"""The choice of an operating point as a table, and its numbers as they stand in the file."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gdinousam.evaluation.reporting.statistics import Interval
from gdinousam.evaluation.reporting.summary import FEW
from gdinousam.evaluation.reporting.table import (
    Cell,
    Column,
    Table,
    count_cell,
    number_cell,
    text_cell,
    text_column,
)
from gdinousam.experiments.studies.operating_choice import (
    PhraseChoice,
    QueryCurve,
    Reached,
    by_number_of_targets,
    false_positives,
    gain_of,
    reached,
    within,
)
from gdinousam.models.detector.operating_point import Point

_DECIMALS = 3  # of percentages in the file
_OPTIMISTIC = "Chosen on these images, so a little too good for them; what it is worth the test says."


def percent(value: float) -> float | None:
    """A share as a percentage for a JSON file, which has no nan."""
    return None if math.isnan(value) else round(100 * value, _DECIMALS)


def interval_json(interval: Interval) -> dict[str, float | int | None]:
    """A mean of shares with its interval, in percent, and what is behind it."""
    return {
        "mean": percent(interval.mean),
        "low": percent(interval.low),
        "high": percent(interval.high),
        "n": interval.num_values,
        "groups": interval.num_groups,
    }


def choice_table(
    curves: Sequence[QueryCurve],
    before: Point,
    after: Point,
    phrases: Sequence[PhraseChoice] = (),
    max_false_positives: float | None = None,
) -> Table:
    """Two lines, before and after: the values, strict Dice, that by number of targets, specificity.

    max_false_positives: the limit under which the point was chosen, in [0, 1].
    """
    strata = by_number_of_targets(curves)
    columns = [
        text_column("operating point"),
        *(Column(title, ()) for title in ("threshold", "boxes", "further from", "n", "Dice %")),
        *(
            Column(f"{name} target{'' if name == '1' else 's'} (n {len(of_one)})", ())
            for name, of_one in strata.items()
        ),
        *(Column(title, ()) for title in ("specificity %", "absent")),
    ]
    lines = tuple(
        _line(name, point, reached(curves, point), [reached(members, point) for members in strata.values()])
        for name, point in (("before", before), ("after", after))
    )
    gain = gain_of(curves, before, after)
    remarks = [
        "Strict Dice and specificity in percent; in brackets 95 % bootstrap intervals over patients, else images.",
        f"Gain {100 * gain.mean:+.2f} {_brackets(gain)}. {_OPTIMISTIC}",
        *([] if max_false_positives is None else [_limit_remark(curves, before, after, max_false_positives)]),
        *([f"Fewer than {FEW} images or patients, so this says little."] if gain.num_groups < FEW else []),
        *(_phrase_remark(one) for one in phrases),
    ]
    return Table("Operating point, chosen on validation images", tuple(columns), lines, tuple(remarks))


def _line(name: str, point: Point, overall: Reached, of_strata: Sequence[Reached]) -> tuple[Cell, ...]:
    return (
        text_cell(name),
        number_cell(point.box_threshold, 3),
        count_cell(point.max_detections),
        number_cell(point.further_threshold),
        count_cell(overall.dice.num_values),
        _percent_cell(overall.dice),
        *(_percent_cell(one.dice) for one in of_strata),
        _percent_cell(overall.specificity),
        count_cell(overall.specificity.num_values),
    )


def _percent_cell(interval: Interval) -> Cell:
    text = number_cell(100 * interval.mean).text
    return Cell(f"{text} {_brackets(interval)}".strip(), ())


def _brackets(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"[{100 * interval.low:.2f}, {100 * interval.high:.2f}]"


def _limit_remark(curves: Sequence[QueryCurve], before: Point, after: Point, limit: float) -> str:
    was, now = (100 * false_positives(curves, point) for point in (before, after))
    shares = f"{was:.2f} % of the absent phrases were answered before, {now:.2f} % after"
    if within(curves, [after], limit):
        return f"Of the points that answer at most {100 * limit:g} % of the absent phrases the best Dice: {shares}."
    return f"No point answers at most {100 * limit:g} % of the absent phrases, so the one of the fewest: {shares}."


def _phrase_remark(one: PhraseChoice) -> str:
    verdict = "own values" if one.is_taken else "the overall values stay"
    point, gain = one.point, one.gain
    return (
        f"{one.phrase}: {verdict} (best: threshold {point.box_threshold:g}, boxes {point.max_detections}, further from "
        f"{point.further_threshold:g}; {100 * gain.mean:+.2f} {_brackets(gain)} on {gain.num_values} queries)."
    )
