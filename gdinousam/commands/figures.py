"""``gdinousam figures``: overlays as in the paper's figures 2 and 3, box plots, training curves."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gdinousam.commands.common import add_overwrite_option, refuse_earlier, run
from gdinousam.errors import InputError

if TYPE_CHECKING:
    from gdinousam.evaluation.reporting.comparison import Compared
    from gdinousam.evaluation.scoring.results import Results
    from gdinousam.evaluation.scoring.rows import ScoreRow

EXAMPLE = (
    "example: %(prog)s results/ours results/other --choose worst --method ours. Overlays need the "
    "masks that test.py keeps"
)
PROGRAM = "gdinousam figures"
_STEMS = {
    "overlays": "",  # the rule by which they are chosen is part of the name
    "box-plots": "box_plots",
    "reliability": "reliability",
    "absent": "absent_phrases",
    "roc": "roc",
    "errors": "errors",
    "size": "size_dice",
}
_WITHOUT_ONLY = ("overlays", "box-plots", "reliability", "absent", "roc")
_OF_ABSENT = ("absent", "roc")  # drawn where absent phrases were asked


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(figures_command, arguments, program))


def figures_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments and write the figures; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Draw figures as PNG (300 dpi) and PDF. Of results: overlays (image, truth and every method's mask "
        "with its Dice and IoU, one row per chosen case), box plots of Dice per dataset, reliability diagrams and, "
        "where absent phrases were asked, which of them are answered and the ROC of 'is it there'; by --only also the "
        "ten worst cases and Dice against the target's size. Of training runs: curves.",
        epilog=EXAMPLE,
    )
    _add_options(parser)
    options = parser.parse_args(arguments)
    if not options.results and not options.training:
        raise InputError("nothing to draw; name folders of results, or of training runs with --training")
    stems = _stems(options) if options.results else []
    stems += ["training_curves"] if options.training else []
    refuse_earlier((path for stem in stems for path in options.out.glob(f"{stem}*")), options)

    from gdinousam.evaluation.figures.curves import read_run, training_curves
    from gdinousam.evaluation.figures.saving import WIDTH_OF, figure_style, save_figure

    runs = [read_run(folder) for folder in options.training or ()]
    paths = _of_results(options) if options.results else []
    if runs:
        with figure_style():
            curves = training_curves(runs, WIDTH_OF[options.width or "page"])
            paths += save_figure(curves, options.out, "training_curves")
    print(f"{', '.join(path.name for path in paths)} in {options.out}")
    return 0


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, nargs="*", metavar="RESULTS", help="folder that test.py wrote")
    parser.add_argument(
        "--choose",
        default="median",
        metavar="RULE",
        help="cases to show: median, best or worst by strict Dice in each dataset, or a text file with one image name "
        "per line (default: %(default)s)",
    )
    parser.add_argument("--method", metavar="NAME", help="the method whose Dice chooses (default: the first)")
    parser.add_argument(
        "--count", type=int, choices=range(1, 21), default=1, metavar="N", help="cases of each dataset, 1 to 20"
    )
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="these datasets only, in this order")
    parser.add_argument("--table", type=int, choices=(3, 4), help="the paper's seen (3) or unseen (4) datasets only")
    parser.add_argument(
        "--only",
        choices=tuple(_STEMS),
        help="draw one of them; errors, the ten worst cases, and size, Dice by the target's size, are drawn only so",
    )
    parser.add_argument(
        "--width",
        choices=("column", "page"),
        help="85 or 178 mm (default: page, and column for reliability, roc and size)",
    )
    parser.add_argument("--training", type=Path, nargs="+", metavar="RUN", help="folders that train.py wrote")
    parser.add_argument("--out", type=Path, default=Path("figures"), metavar="FOLDER", help="default: %(default)s")
    add_comparison_options(parser)
    add_overwrite_option(parser)


def _stems(options: argparse.Namespace) -> list[str]:
    """The names, without suffixes, of what is drawn of results."""
    kinds = [options.only] if options.only else _WITHOUT_ONLY
    return [_STEMS[kind] or _overlays_stem(options) for kind in kinds]


def _overlays_stem(options: argparse.Namespace) -> str:
    return f"overlays_{Path(options.choose).stem}"


def add_comparison_options(parser: argparse.ArgumentParser) -> None:
    """Add --names, --common and --data."""
    parser.add_argument("--names", nargs="+", metavar="NAME", help="names of the methods, one for each of the results")
    parser.add_argument(
        "--common", action="store_true", help="show the queries that all results hold and leave out the others"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="where the test data lies now, if not where it was evaluated"
    )


def _of_results(options: argparse.Namespace) -> list[Path]:
    from gdinousam.evaluation.figures.plots import dice_box_plot
    from gdinousam.evaluation.figures.reliability import reliability_diagram
    from gdinousam.evaluation.figures.saving import WIDTH_OF, figure_style, save_figure, weights_notes
    from gdinousam.evaluation.figures.sizes import size_scatter
    from gdinousam.evaluation.reporting.comparison import compare, of_paper_table, rename
    from gdinousam.evaluation.scoring.results import read_results

    results = [read_results(folder) for folder in options.results]
    if options.names:
        results = rename(results, options.names)
    compared = compare(results, "strict", options.common)
    if options.table:
        compared = of_paper_table(compared, options.table)
    datasets = _datasets(compared, options.datasets)
    wide, narrow = WIDTH_OF[options.width or "page"], WIDTH_OF[options.width or "column"]
    paths: list[Path] = []
    if options.only in (None, "overlays", "errors"):
        paths += _pictures(options, results, compared, datasets, wide)
    with figure_style():
        if options.only in (None, "box-plots"):
            paths += save_figure(dice_box_plot(compared, datasets, wide), options.out, _STEMS["box-plots"])
        if options.only == "size":
            paths += save_figure(size_scatter(compared, datasets, narrow), options.out, _STEMS["size"])
        if options.only in (None, "reliability"):
            diagram = reliability_diagram(_rows_of(compared, datasets), narrow, weights_notes(compared))
            paths += save_figure(diagram, options.out, _STEMS["reliability"])
        if options.only in (None, *_OF_ABSENT):
            paths += _of_absent(options, compared, datasets, wide, narrow)
    return paths


def _of_absent(
    options: argparse.Namespace, compared: Compared, datasets: Sequence[str], wide: float, narrow: float
) -> list[Path]:
    """The figures of absent phrases; none where none were asked, unless they are asked for by name."""
    from gdinousam.evaluation.figures.absence import absent_matrix, roc_figure
    from gdinousam.evaluation.figures.saving import save_figure, weights_notes
    from gdinousam.evaluation.reporting.absence import has_absent

    rows_of = _rows_of(compared, datasets)
    if not any(map(has_absent, rows_of.values())):
        if options.only is None:
            return []
        raise InputError(
            f"--only {options.only}: no absent phrase was asked in these results; evaluate with "
            "evaluation.absent_phrases, or with rows without a box"
        )
    notes, paths = weights_notes(compared), list[Path]()
    if options.only in (None, "absent"):
        paths += save_figure(absent_matrix(rows_of, wide, notes), options.out, _STEMS["absent"])
    if options.only in (None, "roc"):
        paths += save_figure(roc_figure(rows_of, narrow, notes), options.out, _STEMS["roc"])
    return paths


def _rows_of(compared: Compared, datasets: Sequence[str]) -> dict[str, list[ScoreRow]]:
    return {method: [row for row in rows if row.dataset in datasets] for method, rows in compared.rows.items()}


def _datasets(compared: Compared, wanted: Sequence[str] | None) -> Sequence[str]:
    for name in wanted or ():
        if name not in compared.datasets:
            raise InputError(f"--datasets {name}: not in these results, which hold {', '.join(compared.datasets)}")
    return list(dict.fromkeys(wanted)) if wanted else compared.datasets


def _pictures(
    options: argparse.Namespace, results: Sequence[Results], compared: Compared, datasets: Sequence[str], width: float
) -> list[Path]:
    """Overlays, or the worst cases."""
    from gdinousam.evaluation.figures.case_pictures import CasePictures
    from gdinousam.evaluation.figures.choice import chooser
    from gdinousam.evaluation.figures.errors import worst_cases, write_errors
    from gdinousam.evaluation.figures.overlays import write_overlays

    method = options.method or results[0].method
    if method not in compared.rows:
        raise InputError(f"--method {method}: no such method; known here: {', '.join(compared.rows)}")
    if options.only == "errors":
        places = worst_cases(compared.rows[method], datasets)
    else:
        places = chooser(options.choose, options.count)(compared.rows[method], datasets)
    if not places:
        raise InputError("no strict query with a target in these results, so no case to choose by Dice; name images")
    pictures = CasePictures(results, options.data)
    if options.only == "errors":
        return write_errors(compared, method, places, pictures, options.out, width)
    return write_overlays(compared, places, pictures, options.out, _overlays_stem(options), width)


if __name__ == "__main__":
    main()
