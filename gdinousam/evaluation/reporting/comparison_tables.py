"""Tables of compared methods: side by side, beside the paper's numbers, and tested against each other in pairs.

All three come from the rows of a ``Compared`` alone, and the paper's numbers from ``paper_numbers``. In percent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from gdinousam.evaluation.reporting.best import NO_CANDIDATES, RULE, Score, best_method
from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.reporting.paper_columns import (
    NOT_PRINTED,
    holds_numbers,
    paper_remarks,
    printed_average,
    printed_score,
    size_notes,
)
from gdinousam.evaluation.reporting.paper_numbers import AVERAGE, ScoreTable
from gdinousam.evaluation.reporting.quoted import QuotedScore, quoted_beside
from gdinousam.evaluation.reporting.statistics import PairedTest, holm, paired_test, resampling_unit
from gdinousam.evaluation.reporting.summary import ANSWERS, POOLED, Summary, summarize
from gdinousam.evaluation.reporting.table import (
    NOTHING,
    Cell,
    Column,
    Table,
    count_cell,
    difference_cell,
    interval_cell,
    number_cell,
    number_columns,
    probability_cell,
    spread_cell,
    text_cell,
    text_column,
)
from gdinousam.evaluation.scoring.notes import may_be_best
from gdinousam.evaluation.scoring.rows import ScoreRow

SIGNIFICANT = 0.05
_SHOWN_P = 0.001  # lower ones are not printed
FEW = 50  # images below which a mean says little
_SCORES: tuple[Score, ...] = ("dice", "iou")
_MISSES_LEFT_OUT = "Queries in which nothing was found are left out of a method's mean, so each has its own n."
_N = "n: queries, an image with one phrase each."
_INTERVALS = "In brackets: 95 % bootstrap interval of the mean, over patients where they are known, else over images."
_TESTS = (
    "Dice, first minus second, on the queries that both are scored on. p: two-sided Wilcoxon signed-rank test, one "
    "difference per group (patient where known, else image). Intervals: paired bootstrap of the mean, 95 %."
)
_HOLM = "p (Holm) is corrected for all pairs of methods and all datasets together"
_HOLM_POOLED = ', in the lines "' + POOLED + '" for all pairs of methods'
_BOTH_FOUND = "Queries in which one of the two found nothing are not tested; see how often that is under answered."


def comparison_tables(
    compared: Compared, number: ScoreTable | None = None, intervals: bool = False
) -> dict[str, Table]:
    """The tables by name: ``methods``, ``numbers``, and ``tests`` where there are two methods or more.

    number: the paper's table that this one repeats; the numbers of table 2 are found by its names of methods. The
    paper's columns are left out where it has a number for none of the scores. intervals: of the means in ``methods``,
    instead of the standard deviations.
    """
    summaries = {method: _summaries(compared, rows) for method, rows in compared.rows.items()}
    subject = {None: "All datasets", 2: "Ablation", 3: "Seen datasets", 4: "Unseen datasets"}[number]
    like = "" if number is None else f", as table {number} of the paper"
    title = f"{subject}, protocol {compared.protocol}{like}"
    tables = {
        "methods": _methods_table(compared, summaries, title, intervals),
        "numbers": _numbers_table(compared, summaries, number, title),
    }
    if len(compared.rows) > 1:
        tables["tests"] = _tests_table(compared, f"{title}: methods in pairs")
    return tables


def _summaries(compared: Compared, rows: Sequence[ScoreRow]) -> dict[str, Summary]:
    """By dataset, in the order of the table, then the average."""
    by_name = {one.dataset: one for one in summarize(rows, compared.protocol)}
    return {name: by_name[name] for name in (*compared.datasets, AVERAGE)}


def _line_names(compared: Compared) -> tuple[str, ...]:
    """The datasets, and their average where there are several."""
    return (*compared.datasets, *([AVERAGE] if len(compared.datasets) > 1 else []))


def _methods_table(compared: Compared, summaries: dict[str, dict[str, Summary]], title: str, intervals: bool) -> Table:
    names = _interval_names if intervals else _spread_names
    is_paper = compared.protocol == "paper"
    own_n = is_paper or _has_unsupported(summaries)  # each method has its own queries behind its means
    columns = [text_column("dataset"), *([] if own_n else [Column("n", ("n",))])]
    for method in summaries:
        columns += [Column("n", ("n",), method)] if own_n else []
        columns += [Column(f"{score} %", names(score), method) for score in ("Dice", "IoU")]
    lines = []
    for dataset in _line_names(compared):
        of_methods = [of_method[dataset] for of_method in summaries.values()]
        candidates = _candidates(compared, summaries, dataset)
        best_dice, best_iou = (_best(compared, candidates, dataset, score) for score in _SCORES)
        line = [text_cell(dataset), *([] if own_n else [count_cell(of_methods[0].num_scored)])]
        for method, one in zip(summaries, of_methods, strict=True):
            notes = _footnotes(compared, method, dataset)
            line += [count_cell(one.num_scored)] if own_n else []
            line.append(_score_cell(one, "dice", intervals, method == best_dice, notes))
            line.append(_score_cell(one, "iou", intervals, method == best_iou))
        lines.append(tuple(line))
    remarks = (
        *compared.remarks,
        _N,
        *([_INTERVALS] if intervals else []),
        *([_MISSES_LEFT_OUT] if is_paper else []),
        *_of_the_best(compared),
        *_unsupported(compared, summaries),
        *_lacking(compared, summaries),
        *_few(compared, summaries),
    )
    return Table(title, tuple(columns), tuple(lines), remarks, num_summaries=int(len(compared.datasets) > 1))


def _score_cell(one: Summary, score: Score, intervals: bool, best: bool, notes: tuple[str, ...] = ()) -> Cell:
    mean, deviation, low, high = (getattr(one, f"{score}{end}_percent") for end in ("", "_std", "_low", "_high"))
    if not intervals:
        return spread_cell(mean, deviation, best, notes)
    text = number_cell(mean).text
    return Cell(text if math.isnan(low) else f"{text} [{low:.2f}, {high:.2f}]", (mean, low, high), best, notes)


def _footnotes(compared: Compared, method: str, dataset: str) -> tuple[str, ...]:
    """Those of a method's score on a dataset, or on all of them."""
    if dataset in (AVERAGE, POOLED):
        return compared.mean_footnotes(method)
    return compared.footnotes(method, dataset)


def _candidates(compared: Compared, summaries: dict[str, dict[str, Summary]], dataset: str) -> list[str]:
    """Who may be the best on a dataset; on the average nobody if it is over different datasets."""
    if dataset == AVERAGE and _lacking(compared, summaries):
        return []
    return [
        method
        for method in compared.rows
        if may_be_best(compared.weights_of(method), method in compared.references)
        and not summaries[method][dataset].num_unsupported  # a mean of other queries
    ]


def _best(compared: Compared, candidates: Sequence[str], dataset: str, score: Score) -> str | None:
    rows = {
        method: [row for row in compared.rows[method] if dataset in (AVERAGE, row.dataset)] for method in candidates
    }
    return best_method(rows, score)


def _of_the_best(compared: Compared) -> list[str]:
    """What the mark says, where there is anything to mark."""
    if len(compared.rows) < 2:
        return []
    all_compete = all(may_be_best(compared.weights_of(one), one in compared.references) for one in compared.rows)
    return [RULE] if all_compete else [f"{RULE} {NO_CANDIDATES}"]


def _numbers_table(
    compared: Compared, summaries: dict[str, dict[str, Summary]], number: ScoreTable | None, title: str
) -> Table:
    is_paper = compared.protocol == "paper"
    with_paper = holds_numbers(compared, number)
    columns = [text_column("dataset"), text_column("method"), Column("n", ("n",))]
    columns += [Column("left out", ("left out",))] if is_paper else []
    with_unsupported = _has_unsupported(summaries)
    columns += [Column("not supported", ("not supported",))] if with_unsupported else []
    columns += number_columns("answered %", "recall %")
    for score in ("Dice", "IoU"):
        columns += [
            Column(f"{score} %", _spread_names(score)),
            Column("95 % interval", (f"{score} % low", f"{score} % high")),
        ]
        if with_paper:
            columns += [Column("paper", (f"{score} % paper",)), Column("difference", (f"{score} % difference",))]
    lines = [
        _numbers_line(compared, number, dataset, method, of_method, with_unsupported, with_paper)
        for dataset in _line_names(compared)
        for method, of_method in summaries.items()
    ]
    quoted = quoted_beside(compared.rows)
    lines += [_quoted_line(one, columns) for one in quoted]
    remarks = (
        *compared.remarks,
        _N,
        ANSWERS,
        *paper_remarks(compared, number),
        *_unsupported(compared, summaries),
        *_lacking(compared, summaries),
        *_few(compared, summaries),
    )
    subtitle = "beside the paper's numbers" if with_paper else "with intervals"
    num_summaries = len(summaries) if len(compared.datasets) > 1 else 0
    return Table(
        f"{title}: {subtitle}", tuple(columns), tuple(lines), remarks, num_summaries=num_summaries + len(quoted)
    )


def _numbers_line(
    compared: Compared,
    number: ScoreTable | None,
    dataset: str,
    method: str,
    of_method: dict[str, Summary],
    with_unsupported: bool,
    with_paper: bool,
) -> tuple[Cell, ...]:
    one = of_method[dataset]
    if dataset == AVERAGE:
        scored = [name for name in compared.datasets if of_method[name].num_scored]
        printed, notes = printed_average(compared, number, scored, method)
    else:
        printed, notes = printed_score(compared, number, dataset, method)
    if one.num_unsupported:  # the paper's mean is of all queries
        printed, notes = NOT_PRINTED, ()
    return (
        text_cell(dataset),
        text_cell(method, _footnotes(compared, method, dataset)),
        count_cell(one.num_scored, size_notes(compared, dataset) if with_paper and dataset != AVERAGE else ()),
        *([count_cell(one.num_left_out)] if compared.protocol == "paper" else []),
        *([count_cell(one.num_unsupported)] if with_unsupported else []),
        number_cell(one.detection_percent),
        number_cell(one.recall_50_percent),
        spread_cell(one.dice_percent, one.dice_std_percent),
        interval_cell(one.dice_low_percent, one.dice_high_percent),
        *(_printed_cells(one.dice_percent, printed.dice, notes) if with_paper else ()),
        spread_cell(one.iou_percent, one.iou_std_percent),
        interval_cell(one.iou_low_percent, one.iou_high_percent),
        *(_printed_cells(one.iou_percent, printed.iou, notes) if with_paper else ()),
    )


def _quoted_line(quoted: QuotedScore, columns: Sequence[Column]) -> tuple[Cell, ...]:
    """Means alone, as printed; nothing in all columns of what is measured."""
    of_columns = {
        "dataset": text_cell(f"its paper's {quoted.images}"),
        "method": text_cell(quoted.name, (quoted.note,)),
        "Dice %": _quoted_cell(quoted.dice),
        "IoU %": _quoted_cell(quoted.iou),
    }
    return tuple(of_columns.get(column.title, Cell(NOTHING, (math.nan,) * len(column.csv_names))) for column in columns)


def _quoted_cell(percent: float) -> Cell:
    return Cell(number_cell(percent, decimals=1).text, (percent, math.nan))


def _printed_cells(ours: float, printed: float, notes: tuple[str, ...]) -> tuple[Cell, Cell]:
    return number_cell(printed, notes=notes), difference_cell(ours - printed)


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
            replace(probability_cell(test.p_value), notes=few_groups_notes(test)),
            probability_cell(p_holm),
        )
        for (dataset, pair), test, p_holm in zip(wanted, tests, adjusted, strict=True)
    ]


def few_groups_notes(test: PairedTest) -> tuple[str, ...]:
    """A footnote where a p value could not be low, however clear the difference, or is as low as it can be."""
    is_lowest = math.isclose(test.p_value, test.lowest_p) and test.lowest_p >= _SHOWN_P
    if not (test.lowest_p >= SIGNIFICANT or is_lowest):
        return ()
    groups = "1 group that differs" if test.num_differing == 1 else f"{test.num_differing} groups that differ"
    return (f"With {groups}, p cannot be below {test.lowest_p:.3f}.",)


def _test(compared: Compared, dataset: str, first: str, second: str) -> PairedTest:
    pairs = [
        (one, other)
        for one, other in zip(compared.rows[first], compared.rows[second], strict=True)
        if dataset in (POOLED, one.dataset) and not math.isnan(one.dice) and not math.isnan(other.dice)
    ]
    units = [resampling_unit(one) for one, _ in pairs]
    return paired_test([one.dice for one, _ in pairs], [other.dice for _, other in pairs], units)


def _interval_names(score: str) -> tuple[str, ...]:
    return f"{score} %", f"{score} % low", f"{score} % high"


def _spread_names(score: str) -> tuple[str, ...]:
    return f"{score} %", f"{score} % std"
