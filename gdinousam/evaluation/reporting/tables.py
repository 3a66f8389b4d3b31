"""Tables of an evaluation, made from its rows alone.

For each protocol one line per dataset, one for all queries together and one for the average of the datasets, unless
there is one dataset: a short form for the terminal, everything as CSV (always with those two lines) with all digits and
as Markdown. The strata of the strict protocol likewise.
"""

from __future__ import annotations

import csv
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from gdinousam.evaluation.reporting.absence_tables import absence_tables
from gdinousam.evaluation.reporting.calibration import scores_are_shares
from gdinousam.evaluation.reporting.calibration_tables import NO_SHARES, calibration_tables
from gdinousam.evaluation.reporting.summary import ANSWERS, FEW, Summary, summarize, summary_of
from gdinousam.evaluation.reporting.table import (
    Cell,
    Column,
    Table,
    count_cell,
    number_cell,
    text_cell,
    text_column,
)
from gdinousam.evaluation.reporting.table_files import NOTES_COLUMN, as_markdown, as_plain, write_csv
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes
from gdinousam.evaluation.scoring.rows import ProtocolName, ScoreRow
from gdinousam.evaluation.scoring.strata import ABSENT, Stratum, stratify
from gdinousam.files import csv_file, write_text

PROTOCOLS: tuple[ProtocolName, ...] = ("strict", "paper")
TERMINAL_WIDTH = 120
RULES = {
    "strict": "every phrase of every image, all its detections against all its instances, a miss scores 0",
    "paper": "one phrase per image, the public scripts' box against its whole mask, misses left out of the mean",
}
_BRACKETS = "In brackets: 95 % bootstrap interval of the mean, over patients where they are known, else over images."
_SURFACES = "HD95 and ASD know nothing of a miss: they are means over the n surfaces in which something was found."
_COLUMNS = [field.name for field in fields(Summary)]
_STRATA_COLUMNS = _COLUMNS[2 : _COLUMNS.index("num_true_boxes")]  # strata have other names and no average precision
_Columns = list[tuple[str, Callable[[Summary], Cell]]]  # title, and how to make the cell of a line


def write_tables(rows: Sequence[ScoreRow], folder: Path, about: Notes = NO_NOTES) -> str:
    """Write ``table_strict.csv``, ``table_paper.csv``, ``strata_strict.csv``, ``calibration_strict.csv``,
    ``reliability_strict.csv`` and ``tables.md`` into the folder, and where absent phrases were asked
    ``absent_strict.csv`` and ``absent_pairs_strict.csv``.

    rows: those of an evaluation, or of ``read_rows``; may be empty. folder: made if missing; existing tables are
    replaced. about: what the tables must say besides.
    Returns the tables of both protocols as text for a terminal, at most 120 columns wide unless names are long. A mean
    of nothing is printed as "-" and is nan in the CSV.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts, markdowns = [], []
    for protocol in PROTOCOLS:
        lines, notes = _lines(rows, protocol, about)
        _write_csv(_COLUMNS, [asdict(line) for line in lines], folder / f"table_{protocol}.csv", about)
        texts.append(_terminal(protocol, lines, notes, about))
        markdowns.append(f"## Protocol {protocol}\n\n{RULES[protocol].capitalize()}.\n")
        markdowns += map(as_markdown, _protocol_tables(protocol, lines, notes, about))
    strata = stratify(rows, "strict", about.trained_on)
    strata_lines = [{"kind": one.kind, "stratum": one.name, **asdict(one.summary)} for one in strata]
    _write_csv(["kind", "stratum", *_STRATA_COLUMNS], strata_lines, folder / "strata_strict.csv", about)
    markdowns.append("## Strata, protocol strict\n")
    markdowns += map(as_markdown, strata_tables(strata, about))
    markdowns.append("## Calibration, protocol strict\n")
    calibration = calibration_tables(rows)
    _write_further(calibration, ("calibration", "reliability"), folder, about)
    markdowns += [as_markdown(_about(table, about)) for table in calibration.values()] or [f"{_uncalibrated(rows)}\n"]
    absence = absence_tables(rows)
    _write_further(absence, ("absent", "absent_pairs"), folder, about)
    if absence:
        markdowns.append("## Absent phrases, protocol strict\n")
        markdowns += [as_markdown(_about(table, about)) for table in absence.values()]
    write_text(folder / "tables.md", "\n".join(markdowns))
    return "\n".join(texts)


def _write_further(tables: Mapping[str, Table], names: Sequence[str], folder: Path, about: Notes) -> None:
    """The named tables as CSV files; files of earlier rows vanish where there are none."""
    for name in names:
        path = folder / f"{name}_strict.csv"
        if name in tables:
            write_csv(_about(tables[name], about), path)
        else:
            path.unlink(missing_ok=True)


def _about(table: Table, about: Notes) -> Table:
    return replace(table, remarks=(*table.remarks, *about.remarks))


def _uncalibrated(rows: Sequence[ScoreRow]) -> str:
    return NO_SHARES if not scores_are_shares(rows) else "No query was asked."


def protocol_tables(rows: Sequence[ScoreRow], protocol: ProtocolName, about: Notes = NO_NOTES) -> list[Table]:
    """Everything about one protocol's rows: a table of the masks' scores, one of boxes and detection."""
    return _protocol_tables(protocol, *_lines(rows, protocol, about), about)


def strata_tables(strata: Sequence[Stratum], about: Notes = NO_NOTES) -> list[Table]:
    """One table for each kind of strata, as from ``stratify``."""
    return [_strata_table(strata, kind, about) for kind in dict.fromkeys(one.kind for one in strata)]


def seen_note(about: Notes) -> str:
    """Where a table of the strata of training has it from which datasets were seen."""
    if about.trained_on is None:
        return "Seen and unseen as in the paper, because the weights do not say which datasets they were trained on."
    named = ", ".join(about.trained_on) or "none"
    return f"Seen: the datasets that these weights were trained on, by the note beside them ({named})."


def few_notes(lines: Sequence[Summary]) -> list[str]:
    """What a table has to admit about its lines: queries that were not asked, nothing scored, few images, no interval.
    Empty where all is well.
    """
    unsupported = [f"{one.dataset} ({one.num_unsupported})" for one in lines if one.num_unsupported]
    empty = [one.dataset for one in lines if one.num_scored == 0]
    few = [f"{one.dataset} ({one.num_images})" for one in lines if 0 < one.num_images < FEW]
    alone = [one.dataset for one in lines if one.num_groups == 1]
    notes = {
        "Queries that the method does not support, so that they are in no mean and no rate": unsupported,
        "No scored query, so no Dice and no part in its average": empty,
        f"Fewer than {FEW} images, so the means say little": few,
        "One patient or image only, so no interval, nor for an average that it is part of": alone,
    }
    return [f"{note}: {', '.join(names)}." for note, names in notes.items() if names]


def _lines(rows: Sequence[ScoreRow], protocol: ProtocolName, about: Notes) -> tuple[list[Summary], list[str]]:
    """The lines of a table, the last two being all queries and the average, and what has to be admitted about them."""
    *of_datasets, average = summarize(rows, protocol)
    return [*of_datasets, summary_of(rows, protocol), average], [*about.remarks, *few_notes(of_datasets)]


def _terminal(protocol: ProtocolName, lines: Sequence[Summary], notes: Sequence[str], about: Notes) -> str:
    columns: _Columns = [
        *_queries(protocol, lines),
        ("Dice", lambda one: _mean(one, "dice", with_std=False)),
        ("IoU", lambda one: _mean(one, "iou", with_std=False)),
        ("answered", lambda one: number_cell(one.detection_percent)),
        ("recall", lambda one: number_cell(one.recall_50_percent)),
        ("box IoU", lambda one: number_cell(one.box_iou_percent)),
    ]
    if protocol == "strict":
        columns.append(("AP50", lambda one: number_cell(one.ap50_percent)))
    if any(one.num_absent for one in lines):
        columns.append(("specificity", lambda one: number_cell(one.specificity_percent)))
        absent = [f"{one.dataset} ({one.num_absent})" for one in lines[:-2] if one.num_absent]
        notes = [*notes, f"Queries whose phrase is absent, behind the specificity: {', '.join(absent)}."]
    wrapped = [
        part
        for note in [f"Scores in percent. {_BRACKETS}", ANSWERS, *notes]
        for part in textwrap.wrap(note, TERMINAL_WIDTH)
    ]
    return as_plain(_table(f"Protocol {protocol}: {RULES[protocol]}", "dataset", lines, columns, wrapped, about, 2))


def _protocol_tables(
    protocol: ProtocolName, lines: Sequence[Summary], notes: Sequence[str], about: Notes
) -> list[Table]:
    boxes = [*_queries(protocol, lines), *_DETECTION]
    if protocol == "strict":
        boxes += [*_PRECISION, *_SPECIFICITY]
    masks = [*_queries(protocol, lines), *_UNITS, *_MASKS]
    return [
        _table("Masks", "dataset", lines, masks, [_BRACKETS, _SURFACES, *notes], about, 2),
        _table("Boxes and answers", "dataset", lines, boxes, [ANSWERS, *about.remarks], about, 2),
    ]


def _strata_table(strata: Sequence[Stratum], kind: str, about: Notes) -> Table:
    members = [one.summary for one in strata if one.kind == kind]
    columns = [*_queries("strict", members), *_UNITS, *_MASKS, *_DETECTION, *_SPECIFICITY]
    few = few_notes([one for one in members if one.dataset != ABSENT])
    seen = [seen_note(about)] if kind == "training" else []
    notes = [*seen, *about.remarks, *about.of_mean(about.of_datasets), *few]
    return _table(kind.capitalize(), kind, members, columns, notes, about)


def _table(
    title: str,
    first: str,
    lines: Sequence[Summary],
    columns: _Columns,
    notes: Sequence[str],
    about: Notes,
    num_summaries: int = 0,
) -> Table:
    if len(lines) == 1 + num_summaries:  # one dataset, whose line says it all
        lines, num_summaries = lines[:1], 0
    footnotes = [about.of(one.dataset) for one in lines]
    if num_summaries:  # the means over the datasets above them
        of_mean = about.of_mean([one.dataset for one in lines[:-num_summaries]])
        footnotes[-num_summaries:] = [of_mean] * num_summaries
    return Table(
        title,
        (text_column(first), *(Column(name, ()) for name, _ in columns)),
        tuple(
            (text_cell(one.dataset, marks), *(make(one) for _, make in columns))
            for one, marks in zip(lines, footnotes, strict=True)
        ),
        tuple(notes),
        num_summaries=num_summaries,
    )


def _queries(protocol: ProtocolName, lines: Sequence[Summary]) -> _Columns:
    """How many queries are behind a line; those that the method does not support only where there are any."""
    scored: _Columns = [("n", lambda one: count_cell(one.num_scored))]
    if protocol == "paper":
        scored = [
            ("n scored", lambda one: count_cell(one.num_scored)),
            ("n left out", lambda one: count_cell(one.num_left_out)),
        ]
    unsupported: _Columns = [("not supported", lambda one: count_cell(one.num_unsupported))]
    return scored + (unsupported if any(one.num_unsupported for one in lines) else [])


def _mean(one: Summary, name: str, unit: str = "percent", with_std: bool = True) -> Cell:
    """Mean, standard deviation if wanted, and interval where there is one."""
    mean, low, high = (getattr(one, f"{name}{end}_{unit}") for end in ("", "_low", "_high"))
    text = number_cell(mean).text
    if with_std and not math.isnan(mean):
        text += f" ± {getattr(one, f'{name}_std_{unit}'):.2f}"
    return Cell(text if math.isnan(low) else f"{text} [{low:.2f}, {high:.2f}]", ())


_UNITS: _Columns = [
    ("images", lambda one: count_cell(one.num_images)),
    ("groups", lambda one: count_cell(one.num_groups)),
]
_MASKS: _Columns = [
    ("Dice %", lambda one: _mean(one, "dice")),
    ("IoU %", lambda one: _mean(one, "iou")),
    ("surface Dice %", lambda one: _mean(one, "surface_dice")),
    ("HD95 px", lambda one: _mean(one, "hausdorff_95", "pixels")),
    ("ASD px", lambda one: _mean(one, "surface_distance", "pixels")),
    ("n surfaces", lambda one: count_cell(one.num_surfaces)),
]
_DETECTION: _Columns = [
    ("answered %", lambda one: _mean(one, "detection", with_std=False)),
    ("recall at box IoU 0.5 %", lambda one: _mean(one, "recall_50", with_std=False)),
    ("box IoU %", lambda one: _mean(one, "box_iou")),
]
_PRECISION: _Columns = [
    ("AP %", lambda one: number_cell(one.ap_percent)),
    ("AP50 %", lambda one: number_cell(one.ap50_percent)),
    ("AP75 %", lambda one: number_cell(one.ap75_percent)),
    ("true boxes", lambda one: count_cell(one.num_true_boxes)),
]
_SPECIFICITY: _Columns = [
    ("specificity %", lambda one: _mean(one, "specificity", with_std=False)),
    ("absent", lambda one: count_cell(one.num_absent)),
]


def _write_csv(columns: Sequence[str], lines: Sequence[dict[str, Any]], path: Path, about: Notes) -> None:
    """A file of all digits; what is said of all numbers of the method stands in a last column, if there is anything."""
    notes = {NOTES_COLUMN: " ".join(about.remarks)} if about.remarks else {}
    with csv_file(path) as file:
        writer = csv.DictWriter(file, [*columns, *notes], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(line | notes for line in lines)
