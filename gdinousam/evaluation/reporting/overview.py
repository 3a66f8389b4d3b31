"""An overview of evaluations that need not have anything in common: one line each, for a README or a model card."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from gdinousam.evaluation.reporting.summary import ANSWERS, Summary, summarize, summary_of
from gdinousam.evaluation.reporting.table import (
    Cell,
    Column,
    Table,
    count_cell,
    interval_cell,
    number_cell,
    spread_cell,
    text_cell,
    text_column,
)
from gdinousam.evaluation.scoring.results import Results
from gdinousam.evaluation.scoring.rows import ProtocolName

_NAMES = (text_column("evaluation"), text_column("mean over"), Column("n", ("n",)))
_UNSUPPORTED = Column("not supported", ("not supported",))
_SCORES = (
    Column("Dice %", ("dice_percent", "dice_std_percent")),
    Column("95 % interval", ("dice_low_percent", "dice_high_percent")),
    Column("answered %", ("detection_percent",)),
    Column("recall %", ("recall_50_percent",)),
    Column("box IoU %", ("box_iou_percent",)),
    Column("s/image", ("seconds_per_image",)),
)


def overview_table(results: Sequence[Results], protocol: ProtocolName = "strict") -> Table:
    """Two lines per evaluation: the mean over its datasets, and over its queries; one line where it has one dataset.

    Equal names are told apart by their folders. Dice as mean ± standard deviation with the bootstrap interval of the
    mean; seconds per image are the method's own, images and masks being read and scored aside. Below the table:
    version, libraries, device of every evaluation.
    """
    lines = []
    names = _told_apart(results)
    with_unsupported = any(not row.supported for one in results for row in one.rows if row.protocol == protocol)
    for one, name in zip(results, names, strict=True):
        *datasets, average = summarize(one.rows, protocol)
        pooled = summary_of(one.rows, protocol)
        if len(datasets) > 1:
            num_scored = sum(of_dataset.num_scored > 0 for of_dataset in datasets)
            lines.append(_line(one, name, f"{num_scored} datasets", average, with_unsupported))
        lines.append(_line(one, name, "queries", pooled, with_unsupported))
    columns = (*_NAMES, *([_UNSUPPORTED] if with_unsupported else []), *_SCORES)
    remarks = (ANSWERS, *dict.fromkeys(map(_origin, results)))
    return Table(f"Protocol {protocol}", columns, tuple(lines), remarks)


def _told_apart(results: Sequence[Results]) -> list[str]:
    """The names of the methods; behind equal ones in brackets the end of their folders by which they differ."""
    counts = Counter(one.method for one in results)
    names = []
    for one in results:
        parts = one.folder.resolve().parts
        others = [same.folder.resolve().parts for same in results if same.method == one.method]
        lengths = range(1, len(parts) + 1)
        length = next((n for n in lengths if sum(other[-n:] == parts[-n:] for other in others) == 1), 1)
        names.append(f"{one.method} ({'/'.join(parts[-length:])})" if counts[one.method] > 1 else one.method)
    return names


def _line(results: Results, name: str, mean_over: str, summary: Summary, with_unsupported: bool) -> tuple[Cell, ...]:
    num_asked = len({(row.dataset, row.image_name) for row in results.rows if row.supported})
    seconds = results.seconds_total / num_asked if results.seconds_total else math.nan
    return (
        text_cell(name, _notes(results)),
        text_cell(mean_over),
        count_cell(summary.num_scored),
        *([count_cell(summary.num_unsupported)] if with_unsupported else []),
        spread_cell(summary.dice_percent, summary.dice_std_percent),
        interval_cell(summary.dice_low_percent, summary.dice_high_percent),
        number_cell(summary.detection_percent),
        number_cell(summary.recall_50_percent),
        number_cell(summary.box_iou_percent),
        number_cell(seconds, 3),
    )


def _notes(results: Results) -> tuple[str, ...]:
    datasets = {row.dataset for row in results.rows}
    return (*results.notes.remarks, *results.notes.of_mean(sorted(datasets)))


def _origin(results: Results) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in results.libraries.items())
    return f"gdinousam {results.version}, {libraries}, on {results.device}."
