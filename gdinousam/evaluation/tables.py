"""Tables of an evaluation, made from its rows alone.

One table per protocol, one line per dataset and a last one with their average: as text for the terminal, as CSV with
all digits, as Markdown. Scores are in percent.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from gdinousam.evaluation.rows import ProtocolName, ScoreRow

PROTOCOLS: tuple[ProtocolName, ...] = ("strict", "paper")
AVERAGE = "average"
FEW = 50  # below this many scored queries a mean says little, and the table says so
_RULES = {
    "strict": "every phrase of every image, all its detections against all its instances, a miss scores 0",
    "paper": "one phrase per image, best detection against the image's whole mask, misses left out of the mean",
}


@dataclass(frozen=True)
class Summary:
    """One line of a table. Every percentage is in [0, 100], and nan where its n is 0.

    dataset: its name, or "average".
    num_scored: queries behind Dice and IoU. num_left_out: queries with a target that the mean does not hold.
    dice_percent, iou_percent: means over queries; dice_std_percent, iou_std_percent: population standard deviations.
    detection_percent: share of the queries with a target that got a detection.
    num_absent: queries without a target. specificity_percent: share of them that got no detection.
    In the line "average" the counts are totals and the rest are plain means over the datasets that have a value, so
    that a small dataset weighs as much as a large one; its standard deviations too are means, as in the paper's tables.
    """

    protocol: ProtocolName
    dataset: str
    num_scored: int
    num_left_out: int
    dice_percent: float
    dice_std_percent: float
    iou_percent: float
    iou_std_percent: float
    detection_percent: float
    num_absent: int
    specificity_percent: float


def summarize(rows: Sequence[ScoreRow], protocol: ProtocolName) -> list[Summary]:
    """Summaries of the rows of one protocol: one per dataset, in order of first appearance, then the average.

    Without rows of that protocol only the average is returned, with n 0 and nan.
    """
    by_dataset: dict[str, list[ScoreRow]] = {}
    for row in rows:
        of_dataset = by_dataset.setdefault(row.dataset, [])
        if row.protocol == protocol:
            of_dataset.append(row)
    summaries = [_of_dataset(protocol, dataset, of_dataset) for dataset, of_dataset in by_dataset.items()]
    return [*summaries, _average(protocol, summaries)]


def write_tables(rows: Sequence[ScoreRow], folder: Path) -> str:
    """Write ``table_strict.csv``, ``table_paper.csv`` and ``tables.md`` into the folder, which is made if missing.

    rows: those of an evaluation, or of ``read_rows``; may be empty. Existing tables are replaced.
    Returns both tables as text for a terminal. A mean of nothing is printed as "-".
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts, markdowns = [], []
    for protocol in PROTOCOLS:
        summaries = summarize(rows, protocol)
        _write_csv(summaries, folder / f"table_{protocol}.csv")
        cells, notes = _cells(summaries), "".join(f"\n{note}" for note in _notes(summaries))
        texts.append(f"Protocol {protocol}: {_RULES[protocol]}\n\n{_plain(cells)}\n{notes}")
        markdowns.append(f"## Protocol {protocol}\n\n{_RULES[protocol].capitalize()}.\n\n{_markdown(cells)}\n{notes}")
    (folder / "tables.md").write_text("\n\n".join(part.rstrip() for part in markdowns) + "\n", encoding="utf-8")
    return "\n\n".join(part.rstrip() for part in texts) + "\n"


def _of_dataset(protocol: ProtocolName, dataset: str, rows: Sequence[ScoreRow]) -> Summary:
    present = [row for row in rows if row.target_present]
    absent = [row for row in rows if not row.target_present]
    scored = [row for row in present if not math.isnan(row.dice)]
    dice = np.array([row.dice for row in scored])
    iou = np.array([row.iou for row in scored])
    return Summary(
        protocol=protocol,
        dataset=dataset,
        num_scored=len(scored),
        num_left_out=len(present) - len(scored),
        dice_percent=_percent(dice),
        dice_std_percent=float(100 * dice.std()) if scored else math.nan,
        iou_percent=_percent(iou),
        iou_std_percent=float(100 * iou.std()) if scored else math.nan,
        detection_percent=_percent(np.array([row.found for row in present])),
        num_absent=len(absent),
        specificity_percent=_percent(np.array([not row.found for row in absent])),
    )


def _average(protocol: ProtocolName, summaries: Sequence[Summary]) -> Summary:
    return Summary(
        protocol=protocol,
        dataset=AVERAGE,
        num_scored=sum(one.num_scored for one in summaries),
        num_left_out=sum(one.num_left_out for one in summaries),
        dice_percent=_mean_of_known([one.dice_percent for one in summaries]),
        dice_std_percent=_mean_of_known([one.dice_std_percent for one in summaries]),
        iou_percent=_mean_of_known([one.iou_percent for one in summaries]),
        iou_std_percent=_mean_of_known([one.iou_std_percent for one in summaries]),
        detection_percent=_mean_of_known([one.detection_percent for one in summaries]),
        num_absent=sum(one.num_absent for one in summaries),
        specificity_percent=_mean_of_known([one.specificity_percent for one in summaries]),
    )


def _percent(values: np.ndarray) -> float:
    return float(100 * values.mean()) if values.size else math.nan


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _cells(summaries: Sequence[Summary]) -> list[list[str]]:
    """The printed table, header first. The columns follow the protocol."""
    paper = summaries[0].protocol == "paper"
    with_absent = any(one.num_absent for one in summaries)
    header = [
        "dataset",
        "n scored" if paper else "n",
        *(["n left out"] if paper else []),
        "Dice %",
        "IoU %",
        "detected %",
    ]
    table = [header + (["specificity %", "n absent"] if with_absent else [])]
    for one in summaries:
        line = [one.dataset, str(one.num_scored), *([str(one.num_left_out)] if paper else [])]
        line += [_spread(one.dice_percent, one.dice_std_percent), _spread(one.iou_percent, one.iou_std_percent)]
        line += [_number(one.detection_percent)]
        table.append(line + ([_number(one.specificity_percent), str(one.num_absent)] if with_absent else []))
    return table


def _notes(summaries: Sequence[Summary]) -> list[str]:
    of_datasets = summaries[:-1]
    empty = [one.dataset for one in of_datasets if one.num_scored == 0]
    few = [one.dataset for one in of_datasets if 0 < one.num_scored < FEW]
    notes = [f"No scored query, so not in the average Dice and IoU: {', '.join(empty)}."] if empty else []
    return notes + ([f"Fewer than {FEW} scored queries: {', '.join(few)}."] if few else [])


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _spread(mean: float, deviation: float) -> str:
    return "-" if math.isnan(mean) else f"{mean:.2f} ± {deviation:.2f}"


def _plain(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = []
    for line in cells:
        numbers = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        lines.append("  ".join([line[0].ljust(widths[0]), *numbers]))
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _markdown(cells: Sequence[Sequence[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in cells]
    rule = ["---"] + ["---:"] * (len(cells[0]) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [escaped[0], rule, *escaped[1:]])


def _write_csv(summaries: Sequence[Summary], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Summary)])
        writer.writeheader()
        writer.writerows(asdict(one) for one in summaries)
