"""One page that holds an evaluation: tables, plots, strata and a gallery, in a single file that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

from gdinousam import __version__
from gdinousam.errors import InputError
from gdinousam.evaluation.figures.absence import absent_matrix, roc_figure
from gdinousam.evaluation.figures.case_pictures import CasePictures
from gdinousam.evaluation.figures.gallery import case_text, make_gallery, quality_of, strata_cases
from gdinousam.evaluation.figures.overlays import LEGEND
from gdinousam.evaluation.figures.plots import dice_box_plot, strata_plot
from gdinousam.evaluation.figures.reliability import reliability_diagram
from gdinousam.evaluation.figures.report_facts import facts, opening
from gdinousam.evaluation.figures.saving import as_svg, figure_style, weights_notes
from gdinousam.evaluation.reporting.absence import has_absent, presence_of
from gdinousam.evaluation.reporting.absence_tables import absence_tables
from gdinousam.evaluation.reporting.calibration_tables import calibration_tables
from gdinousam.evaluation.reporting.comparison import Compared, compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.table import NOTHING, Table
from gdinousam.evaluation.reporting.tables import PROTOCOLS, RULES, protocol_tables, seen_note, strata_tables
from gdinousam.evaluation.scoring.notes import NO_NOTES
from gdinousam.evaluation.scoring.results import Results
from gdinousam.evaluation.scoring.rows import ProtocolName, ScoreRow
from gdinousam.evaluation.scoring.strata import UNKNOWN, Stratum, stratify
from gdinousam.files import write_text

TEMPLATE = "report.html.j2"
_PLOT_WIDTH = 3.7  # inches: where this becomes the width of a phone, letters of 8 points can still be read
_PLOTTED = ("organ", "training", "target size", "number of targets")
_BOXES_TEXT = (
    "Box: quartiles with median; whiskers: to the last value within 1.5 box lengths; dots: values beyond; "
    "diamond: mean."
)
_RELIABILITY_TEXT = (
    "Protocol strict. On the dashed line a score is the probability that the phrase is there; above it, phrases are "
    "there more often than scores say. Larger dots hold more queries; lines: 95 % bootstrap intervals. ECE: expected "
    "calibration error."
)


_MATRIX_TEXT = (
    "Protocol strict. Of the images that show one phrase, the share in percent in which another that is not there was "
    "answered; n: queries. An image that shows several phrases counts for each of them."
)
_ROC_TEXT = (
    "Protocol strict. Is the phrase there? By the score of the best detection. The dot is where all answers count; "
    "beyond it nothing was found, so there is no score."
)


@dataclass(frozen=True)
class _Plot:
    svg: str
    caption: str


@dataclass(frozen=True)
class _Part:
    """Tables under a heading of their own."""

    title: str
    tables: list[Table]


@dataclass(frozen=True)
class _Absent:
    """sentences: one of each method that was asked for absent phrases. tables: of each by itself."""

    sentences: list[str]
    plots: list[_Plot]
    tables: list[_Part]


@dataclass(frozen=True)
class _Protocol:
    """comparison: by name as in ``comparison_tables``. methods: each by itself; both empty without queries."""

    name: str
    rule: str
    comparison: dict[str, Table]
    methods: list[_Part]


def write_report(
    results: Sequence[Results],
    path: Path,
    with_gallery: bool = True,
    common: bool = False,
    data_dir: Path | None = None,
    wordings: Sequence[Table] = (),
) -> int:
    """Write a report of results as one HTML file and return its size in bytes.

    results: at least one, the first being the one that the page begins with. with_gallery: needs their masks and data.
    common, data_dir: as for ``compare`` and ``CasePictures``. wordings: tables of a study of wordings; may be none. An
    earlier file is replaced when the new one is whole.
    Raises InputError where the results cannot be compared, their masks or data are missing, or the file cannot be
    written.
    """
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: its folder does not exist; make it first")
    compared = compare(results, "strict", common)
    pictures = CasePictures(results, data_dir) if with_gallery else None
    gallery = make_gallery(compared, pictures) if pictures else None
    # the tables of the protocol hold the datasets already
    strata = {
        method: [
            one
            for one in stratify(rows, "strict", compared.notes.get(method, NO_NOTES).trained_on)
            if one.kind != "dataset"
        ]
        for method, rows in compared.rows.items()
    }
    page = _template().render(
        title=", ".join(compared.rows),
        version=__version__,
        opening=opening(compared),
        facts=facts(results, compared),
        protocols=[_protocol(results, name, common) for name in PROTOCOLS],
        plots=_plots(compared),
        strata_plot=_strata_plot(compared, strata),
        strata_cases=strata_cases(compared, pictures) if pictures else [],
        strata=[
            _Part(method, strata_tables(of_method, compared.notes.get(method, NO_NOTES)))
            for method, of_method in strata.items()
        ],
        calibration=[_Part(method, list(calibration_tables(rows).values())) for method, rows in compared.rows.items()],
        absent=_absent(compared),
        wordings=wordings,
        gallery=gallery,
        case_text=case_text,
        quality_of=quality_of,
        legend=LEGEND,
        methods=list(compared.rows),
        datasets=compared.datasets,
    )
    _write(path, page)
    return len(page.encode("utf-8"))


def _protocol(results: Sequence[Results], name: ProtocolName, common: bool) -> _Protocol:
    if not any(row.protocol == name for one in results for row in one.rows):
        return _Protocol(name, RULES[name], {}, [])
    compared = compare(results, name, common)
    tables = comparison_tables(compared, intervals=True)
    if len(results) == 1:
        del tables["methods"]  # says less than the table of its only method
    if not _holds_numbers_of_the_paper(tables["numbers"]):
        del tables["numbers"]
    methods = [
        _Part(method, protocol_tables(rows, name, compared.notes.get(method, NO_NOTES)))
        for method, rows in compared.rows.items()
    ]
    return _Protocol(name, RULES[name], tables, methods)


def _holds_numbers_of_the_paper(table: Table) -> bool:
    printed = [place for place, column in enumerate(table.columns) if column.title == "paper"]
    return any(line[place].text != NOTHING for line in table.lines for place in printed)


def _plots(compared: Compared) -> list[_Plot]:
    """No plot without a scored query."""
    if all(math.isnan(row.dice) for rows in compared.rows.values() for row in rows):
        return []
    methods = ", ".join(compared.rows)
    with figure_style():
        label = f"Box plots of Dice in each dataset, for {methods}. The tables above hold the numbers."
        svg = as_svg(dice_box_plot(compared, compared.datasets, _PLOT_WIDTH), "boxes", label)
    plots = [_Plot(svg, f"Dice in each dataset, protocol strict. {_BOXES_TEXT}")]
    with figure_style():
        label = f"Reliability diagram for {methods}. The tables under Calibration hold the numbers."
        svg = as_svg(reliability_diagram(compared.rows, _PLOT_WIDTH, weights_notes(compared)), "reliability", label)
    plots.append(_Plot(svg, f"Is the phrase there? {_RELIABILITY_TEXT}"))
    return plots


def _absent(compared: Compared) -> _Absent | None:
    """``None`` where no absent phrase was asked."""
    asked = {method: rows for method, rows in compared.rows.items() if has_absent(rows)}
    if not asked:
        return None
    methods, notes = ", ".join(asked), weights_notes(compared)
    with figure_style():
        label = f"Share of absent phrases answered by what the image shows, for {methods}. The tables hold the numbers."
        matrix = _Plot(as_svg(absent_matrix(asked, _PLOT_WIDTH, notes), "absent", label), _MATRIX_TEXT)
    with figure_style():
        label = f"ROC of whether the phrase is there, for {methods}. The tables hold the areas."
        roc = _Plot(as_svg(roc_figure(asked, _PLOT_WIDTH, notes), "roc", label), _ROC_TEXT)
    tables = [_Part(method, list(absence_tables(rows).values())) for method, rows in asked.items()]
    return _Absent([_silence(method, rows) for method, rows in asked.items()], [matrix, roc], tables)


def _silence(method: str, rows: Sequence[ScoreRow]) -> str:
    one = presence_of(rows)
    rate = one.false_positives
    interval = "" if math.isnan(rate.low) else f" (95 % interval {100 * rate.low:.1f} to {100 * rate.high:.1f})"
    area = (
        "" if math.isnan(one.auc.mean) else f" Its score tells present from absent with an AUC of {one.auc.mean:.3f}."
    )
    return f"{method} answered {100 * rate.mean:.1f} %{interval} of {one.num_absent} absent phrases.{area}"


def _strata_plot(compared: Compared, strata: dict[str, list[Stratum]]) -> _Plot | None:
    """No plot without a stratum that has a scored query."""
    shown = {method: [one for one in of_method if _is_telling(one)] for method, of_method in strata.items()}
    if not any(one.summary.num_scored for of_method in shown.values() for one in of_method):
        return None
    with figure_style():
        label = (
            f"Mean Dice with interval by stratum, for {', '.join(compared.rows)}. The tables below hold the numbers."
        )
        svg = as_svg(strata_plot(shown, _PLOT_WIDTH, weights_notes(compared)), "strata", label)
    seen = dict.fromkeys(seen_note(compared.notes.get(method, NO_NOTES)) for method in compared.rows)
    return _Plot(svg, " ".join(["Mean Dice with 95 % bootstrap interval by stratum, protocol strict.", *seen]))


def _is_telling(one: Stratum) -> bool:
    return one.kind in _PLOTTED and one.name != UNKNOWN


def _template() -> Any:
    import jinja2

    text = resources.files("gdinousam.evaluation.figures").joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"footnotes": _footnotes, "groups": _groups}
    return environment.from_string(text)


def _footnotes(table: Table) -> list[str]:
    """The footnotes of a table in order of first appearance."""
    return list(dict.fromkeys(note for line in table.lines for cell in line for note in cell.notes))


def _groups(table: Table) -> list[tuple[str, int]]:
    """Headings over the headings with the number of columns below each; an empty list where there are none."""
    names = [column.group for column in table.columns]
    return [(name, len(list(run))) for name, run in groupby(names)] if any(names) else []


def _write(path: Path, page: str) -> None:
    try:
        write_text(path, page)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); name another file") from error
