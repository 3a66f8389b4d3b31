"""Tables of compared methods: side by side, beside the paper's numbers, and tested against each other in pairs.

All three come from the rows of a ``Compared`` alone, and the paper's numbers from ``paper_numbers``. In percent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np

from gdinousam.data.public.registry import find_dataset
from gdinousam.evaluation.comparison import Compared
from gdinousam.evaluation.paper_numbers import (
    AVERAGE,
    PaperScore,
    ScoreTable,
    dataset_in_paper,
    footnotes,
    method_in_paper,
    paper_table,
)
from gdinousam.evaluation.rows import ScoreRow
from gdinousam.evaluation.statistics import PairedTest, holm, paired_test, resampling_unit
from gdinousam.evaluation.summary import POOLED, Summary, summarize
from gdinousam.evaluation.table_files import (
    Cell,
    Column,
    Table,
    count_cell,
    difference_cell,
    interval_cell,
    number_cell,
    probability_cell,
    spread_cell,
    text_cell,
    text_column,
)

FEW = 50  # images below which a mean says little
_NAN_SCORE = PaperScore(math.nan, math.nan, math.nan, math.nan)
_MISSES_DIFFER = (
    "The paper's numbers leave images without a detection out of the mean, these count them as 0; --protocol paper "
    "scores as the paper does."
)
_MISSES_LEFT_OUT = "Images without a detection are left out of a method's mean, so each has its own n."
_TESTS = (
    "Dice, first minus second, on the queries that both are scored on. p: two-sided Wilcoxon signed-rank test, one "
    "difference per group (patient where known, else image). Intervals: paired bootstrap of the mean, 95 %."
)
_HOLM = "p (Holm) is corrected for all pairs of methods and all datasets together"
_HOLM_POOLED = ', in the lines "' + POOLED + '" for all pairs of methods'
_BOTH_FOUND = "Images in which one of the two found nothing are not tested; see how often that is under detected."


def comparison_tables(
    compared: Compared, number: ScoreTable | None = None, references: Collection[str] = ()
) -> dict[str, Table]:
    """The tables by name: ``methods``, ``numbers``, and ``tests`` where there are two methods or more.

    number: the paper's table that this one repeats; the numbers of table 2 are found by its names of methods.
    references: methods that do not compete, so that none of them is marked as the best.
    """
    summaries = {method: _summaries(compared, rows) for method, rows in compared.rows.items()}
    subject = {None: "All datasets", 2: "Ablation", 3: "Seen datasets", 4: "Unseen datasets"}[number]
    like = "" if number is None else f", as table {number} of the paper"
    title = f"{subject}, protocol {compared.protocol}{like}"
    tables = {
        "methods": _methods_table(compared, summaries, references, title),
        "numbers": _numbers_table(compared, summaries, number, f"{title}: beside the paper's numbers"),
    }
    if len(compared.rows) > 1:
        tables["tests"] = _tests_table(compared, f"{title}: methods in pairs")
    return tables


def _summaries(compared: Compared, rows: Sequence[ScoreRow]) -> dict[str, Summary]:
    """By dataset, in the order of the table, then the average."""
    by_name = {one.dataset: one for one in summarize(rows, compared.protocol)}
    return {name: by_name[name] for name in (*compared.datasets, AVERAGE)}


def _methods_table(
    compared: Compared, summaries: dict[str, dict[str, Summary]], references: Collection[str], title: str
) -> Table:
    is_paper = compared.protocol == "paper"
    own_n = is_paper or _has_unsupported(summaries)  # each method has its own queries behind its means
    columns = [text_column("dataset"), *([] if own_n else [Column("n", ("n",))])]
    for method in summaries:
        columns += [Column("n", ("n",), method)] if own_n else []
        columns += [Column(f"{score} %", _spread_names(score), method) for score in ("Dice", "IoU")]
    lines = []
    for dataset in (*compared.datasets, AVERAGE):
        of_methods = [of_method[dataset] for of_method in summaries.values()]
        competes = [
            method not in references and not one.num_unsupported
            for method, one in zip(summaries, of_methods, strict=True)
        ]
        if dataset == AVERAGE and _lacking(compared, summaries):  # means over different datasets
            competes = [False] * len(competes)
        best_dice = best_places([one.dice_percent for one in of_methods], competes)
        best_iou = best_places([one.iou_percent for one in of_methods], competes)
        line = [text_cell(dataset), *([] if own_n else [count_cell(of_methods[0].num_scored)])]
        for place, (method, one) in enumerate(zip(summaries, of_methods, strict=True)):
            notes = _footnotes(compared, method, dataset)
            line += [count_cell(one.num_scored)] if own_n else []
            line.append(spread_cell(one.dice_percent, one.dice_std_percent, place in best_dice, notes))
            line.append(spread_cell(one.iou_percent, one.iou_std_percent, best=place in best_iou))
        lines.append(tuple(line))
    remarks = (
        *compared.remarks,
        *([_MISSES_LEFT_OUT] if is_paper else []),
        *_unsupported(compared, summaries),
        *_lacking(compared, summaries),
        *_few(compared, summaries),
    )
    return Table(title, tuple(columns), tuple(lines), remarks, num_summaries=1)


def _footnotes(compared: Compared, method: str, dataset: str) -> tuple[str, ...]:
    """Those of a method's score on a dataset, or on all of them."""
    if dataset in (AVERAGE, POOLED):
        return compared.mean_footnotes(method)
    return compared.footnotes(method, dataset)


def best_places(values: Sequence[float], competes: Sequence[bool] | None = None) -> set[int]:
    """Places of the highest value as printed, so that two that look alike are both best; of a single one none is.

    competes: for each value whether it may be the best; left out: all may.
    """
    allowed = [True] * len(values) if competes is None else competes
    printed = [
        round(value, 2) if may and not math.isnan(value) else -math.inf
        for value, may in zip(values, allowed, strict=True)
    ]
    highest = max(printed, default=-math.inf)
    if sum(allowed) < 2 or highest == -math.inf:
        return set()
    return {place for place, value in enumerate(printed) if value == highest}


def _numbers_table(
    compared: Compared, summaries: dict[str, dict[str, Summary]], number: ScoreTable | None, title: str
) -> Table:
    is_paper = compared.protocol == "paper"
    columns = [text_column("dataset"), text_column("method"), Column("n", ("n",))]
    columns += [Column("left out", ("left out",))] if is_paper else []
    with_unsupported = _has_unsupported(summaries)
    columns += [Column("not supported", ("not supported",))] if with_unsupported else []
    columns += [Column("detected %", ("detected %",))]
    for score in ("Dice", "IoU"):
        columns += [
            Column(f"{score} %", _spread_names(score)),
            Column("95 % interval", (f"{score} % low", f"{score} % high")),
            Column("paper", (f"{score} % paper",)),
            Column("difference", (f"{score} % difference",)),
        ]
    lines = [
        _numbers_line(compared, number, dataset, method, of_method, with_unsupported)
        for dataset in (*compared.datasets, AVERAGE)
        for method, of_method in summaries.items()
    ]
    in_paper = any(
        not math.isnan(_printed(number, dataset, method)[0].dice)
        for dataset in compared.datasets
        for method in summaries
    )
    differs = [_MISSES_DIFFER] if in_paper and not is_paper else []
    unsupported = _unsupported(compared, summaries)
    remarks = (*compared.remarks, *differs, *unsupported, *_lacking(compared, summaries), *_few(compared, summaries))
    return Table(title, tuple(columns), tuple(lines), remarks, num_summaries=len(summaries))


def _numbers_line(
    compared: Compared,
    number: ScoreTable | None,
    dataset: str,
    method: str,
    of_method: dict[str, Summary],
    with_unsupported: bool,
) -> tuple[Cell, ...]:
    one = of_method[dataset]
    if dataset == AVERAGE:
        scored = [name for name in compared.datasets if of_method[name].num_scored]
        printed, notes = _printed_average(number, scored, method)
    else:
        printed, notes = _printed(number, dataset, method)
    if one.num_unsupported:  # the paper's mean is of all queries
        printed, notes = _NAN_SCORE, ()
    size_notes = () if dataset == AVERAGE else _size_notes(compared, dataset)
    return (
        text_cell(dataset),
        text_cell(method, _footnotes(compared, method, dataset)),
        count_cell(one.num_scored, size_notes),
        *([count_cell(one.num_left_out)] if compared.protocol == "paper" else []),
        *([count_cell(one.num_unsupported)] if with_unsupported else []),
        number_cell(one.detection_percent),
        spread_cell(one.dice_percent, one.dice_std_percent),
        interval_cell(one.dice_low_percent, one.dice_high_percent),
        number_cell(printed.dice, notes=notes),
        difference_cell(one.dice_percent - printed.dice),
        spread_cell(one.iou_percent, one.iou_std_percent),
        interval_cell(one.iou_low_percent, one.iou_high_percent),
        number_cell(printed.iou, notes=notes),
        difference_cell(one.iou_percent - printed.iou),
    )


def _printed(number: ScoreTable | None, dataset: str, method: str) -> tuple[PaperScore, tuple[str, ...]]:
    """The paper's score with its footnotes; nan where it has none."""
    table, printed_dataset, printed_method = _place(number, dataset, method)
    score = None if table is None else paper_table(table).scores.get(printed_dataset, {}).get(printed_method)
    if table is None or score is None:
        return _NAN_SCORE, ()
    return score, footnotes(table, printed_dataset, printed_method)


def _place(number: ScoreTable | None, dataset: str, method: str) -> tuple[ScoreTable | None, str, str]:
    """Where the paper may print a score: table, dataset and method as spelled there; no table where it has neither."""
    where, printed_method = dataset_in_paper(dataset), method if number == 2 else method_in_paper(method)
    if where is None or printed_method is None:
        return None, "", ""
    return (2 if number == 2 else where[0]), where[1], printed_method


def _printed_average(
    number: ScoreTable | None, datasets: Sequence[str], method: str
) -> tuple[PaperScore, tuple[str, ...]]:
    """The mean of the printed scores of the datasets that our average holds; nan where one of them is not printed.

    Not the printed average: that stands for other datasets as soon as one is missing here, and is wrong in places.
    """
    scores = [_printed(number, dataset, method)[0] for dataset in datasets]
    if not scores or any(math.isnan(one.dice) for one in scores):
        return _NAN_SCORE, ()
    notes = ["The mean of the numbers that the paper prints for these datasets."]
    places = [_place(number, dataset, method) for dataset in datasets]
    tables = {table for table, _, _ in places}
    for table in tables:
        if len(tables) == 1 and table is not None and len(datasets) == len(paper_table(table).scores):
            notes += footnotes(table, AVERAGE, places[0][2])
    return PaperScore(*(float(np.mean(values)) for values in zip(*scores, strict=True))), tuple(notes)


def _size_notes(compared: Compared, dataset: str) -> tuple[str, ...]:
    """A note where the paper tested on another number of images."""
    where = dataset_in_paper(dataset)
    if where is None:
        return ()
    rows = next(iter(compared.rows.values()))
    num_images = len({row.image_name for row in rows if row.dataset == dataset})
    in_paper = find_dataset(where[1]).facts.paper_counts[2]
    if num_images == in_paper:
        return ()
    return (f"{num_images} images of {where[1]} here; table 1 of the paper counts {in_paper} for testing.",)


def _has_unsupported(summaries: dict[str, dict[str, Summary]]) -> bool:
    return any(of_method[AVERAGE].num_unsupported for of_method in summaries.values())


def _unsupported(compared: Compared, summaries: dict[str, dict[str, Summary]]) -> list[str]:
    """Methods that could not be asked everything: their means are of other queries than those of the others."""
    remarks = []
    for method, of_method in summaries.items():
        counts = {dataset: of_method[dataset].num_unsupported for dataset in compared.datasets}
        named = ", ".join(f"{dataset} {count}" for dataset, count in counts.items() if count)
        if named:
            remarks.append(
                f"{method} does not support {sum(counts.values())} queries ({named}); they are in none of its means "
                "and tests, and its means without them are not marked as the best."
            )
    return remarks


def _lacking(compared: Compared, summaries: dict[str, dict[str, Summary]]) -> list[str]:
    """Methods without a score on some dataset; their averages are of fewer datasets than those of the others."""
    remarks = []
    for method, of_method in summaries.items():
        without = [dataset for dataset in compared.datasets if not of_method[dataset].num_scored]
        if without:
            remarks.append(
                f"{method} has no score on {', '.join(without)}, so its average cannot be compared with that of others."
            )
    return remarks


def _few(compared: Compared, summaries: dict[str, dict[str, Summary]]) -> list[str]:
    counts = {
        dataset: min((one[dataset].num_images for one in summaries.values() if one[dataset].num_images), default=0)
        for dataset in compared.datasets
    }
    few = [f"{dataset} ({count})" for dataset, count in counts.items() if 0 < count < FEW]
    return [f"Fewer than {FEW} images, so the means say little: {', '.join(few)}."] if few else []


def _tests_table(compared: Compared, title: str) -> Table:
    columns = (
        text_column("dataset"),
        text_column("first"),
        text_column("second"),
        Column("n", ("n",)),
        Column("groups", ("groups",)),
        Column("Dice difference %", ("Dice difference %",)),
        Column("95 % interval", ("difference low", "difference high")),
        Column("p", ("p",)),
        Column("p (Holm)", ("p Holm",)),
    )
    pairs = list(combinations(compared.rows, 2))
    lines = _test_lines(compared, [(dataset, pair) for dataset in compared.datasets for pair in pairs])
    pooled = _test_lines(compared, [(POOLED, pair) for pair in pairs]) if len(compared.datasets) > 1 else []
    both_found = [_BOTH_FOUND] if compared.protocol == "paper" else []
    unsupported = _unsupported(compared, {method: _summaries(compared, rows) for method, rows in compared.rows.items()})
    remarks = (*compared.remarks, *unsupported, _TESTS, f"{_HOLM}{_HOLM_POOLED if pooled else ''}.", *both_found)
    return Table(title, columns, (*lines, *pooled), remarks, num_summaries=len(pooled))


def _test_lines(compared: Compared, wanted: Sequence[tuple[str, tuple[str, str]]]) -> list[tuple[Cell, ...]]:
    """One line per dataset and pair; all of them together are one family for Holm's correction."""
    tests = [_test(compared, dataset, *pair) for dataset, pair in wanted]
    adjusted = holm([test.p_value for test in tests])
    return [
        (
            text_cell(dataset),
            *(text_cell(method, _footnotes(compared, method, dataset)) for method in pair),
            count_cell(test.difference.num_values),
            count_cell(test.difference.num_groups),
            difference_cell(100 * test.difference.mean),
            interval_cell(100 * test.difference.low, 100 * test.difference.high),
            probability_cell(test.p_value),
            probability_cell(p_holm),
        )
        for (dataset, pair), test, p_holm in zip(wanted, tests, adjusted, strict=True)
    ]


def _test(compared: Compared, dataset: str, first: str, second: str) -> PairedTest:
    pairs = [
        (one, other)
        for one, other in zip(compared.rows[first], compared.rows[second], strict=True)
        if dataset in (POOLED, one.dataset) and not math.isnan(one.dice) and not math.isnan(other.dice)
    ]
    units = [resampling_unit(one) for one, _ in pairs]
    return paired_test([one.dice for one, _ in pairs], [other.dice for _, other in pairs], units)


def _spread_names(score: str) -> tuple[str, str]:
    return f"{score} %", f"{score} % std"
