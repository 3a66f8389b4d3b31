"""LaTeX tables: nothing unescaped, within their width for any number of methods, and accepted by a LaTeX."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from made_results import made_results, made_row
from test_table_files import NOTE, TABLE

from gdinousam.evaluation.reporting.comparison import compare
from gdinousam.evaluation.reporting.comparison_tables import comparison_tables
from gdinousam.evaluation.reporting.latex import LAYOUTS, WIDTHS, Layout, as_latex, estimated_width, latex_text
from gdinousam.evaluation.reporting.latex_widths import SIZES, text_width
from gdinousam.evaluation.reporting.table import Column, Table, interval_cell, text_cell, text_column
from gdinousam.evaluation.reporting.table_files import write_table_files

PDFLATEX = shutil.which("pdflatex")
NAMES = (
    "GroundingDINO-US-SAM",
    "GroundingDINO+SAM2 (small, zero-shot)",
    "SAMUS",
    "MedSAM [box]",
    "UniverSeg",
    "U-Net",
    "a_b & 50 % {x}",
    "UltraSam",
    "*star (random)",
)
DATASETS = ("busi", "tn3k", "hc18", "a data set of our own", "aul", "busbra")
ARTICLE = r"\documentclass[10pt]{article}" "\n"
JOURNAL = r"""\documentclass[10pt,twocolumn]{article}
\usepackage[textwidth=516pt,textheight=550pt]{geometry}\setlength{\columnsep}{12pt}
"""
BODY = r"""\usepackage{booktabs}\usepackage{array}
\begin{document}Text.\input{tables.tex}\end{document}
"""
CLASSES = [("text", ARTICLE), ("text", JOURNAL), ("column", ARTICLE), ("column", JOURNAL), ("page", JOURNAL)]


def compared(num_methods: int, num_datasets: int) -> dict[str, Table]:
    rng = np.random.default_rng(0)
    results = [
        made_results(
            [
                made_row(dataset, image, float(np.clip(rng.normal(0.6, 0.2), 0, 1)))
                for dataset in DATASETS[:num_datasets]
                for image in range(6)
            ],
            name,
        )
        for name in NAMES[:num_methods]
    ]
    return comparison_tables(compare(results))


def test_latex_has_caption_label_booktabs_and_notes() -> None:
    assert as_latex(TABLE, "table3 strict", "column") == (
        "\\begin{table}[tp]\n"
        "\\centering\n"
        "\\caption{A title}\n"
        "\\label{tab:table3-strict}\n"
        "\\small\n"
        "\\setlength{\\tabcolsep}{3.0pt}\n"
        "\\begin{tabular}{lrrrr}\n"
        "\\toprule\n"
        "\\multicolumn{1}{c}{} & \\multicolumn{1}{c}{} & \\multicolumn{2}{c}{A\\_1} & \\multicolumn{1}{c}{B} \\\\\n"
        "\\cmidrule(lr){3-4} \\cmidrule(lr){5-5}\n"
        "dataset & n & Dice \\% & paper & Dice \\% \\\\\n"
        "\\midrule\n"
        "busi\\textbar{}x & 3\\textsuperscript{a} & \\textbf{23.33 $\\pm$ 1.00} & "
        "20.00\\textsuperscript{b}\\textsuperscript{a} & - \\\\\n"
        "\\midrule\n"
        "average & 3 & 5.00 $\\pm$ 1.00 & -\\textsuperscript{b} & \\textbf{6.00 $\\pm$ 2.00} \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\par\\smallskip\n"
        "\\begin{minipage}{\\linewidth}\\scriptsize\\raggedright\n"
        "Bold: best.\\par\n"
        "A remark.\\par\n"
        "\\textsuperscript{a} second\\par\n"
        "\\textsuperscript{b} 50 \\% of what\\_it\\_was\n"
        "\\end{minipage}\n"
        "\\end{table}\n"
    )


def test_latex_takes_no_word_for_a_command() -> None:
    assert latex_text("--protocol") == "-{}-protocol"
    assert latex_text(r"a\b_c & 5 % {x} #1 $ ~ ^ < > | [ *") == (
        r"a\textbackslash{}b\_c \& 5 \% \{x\} \#1 \$ \textasciitilde{} \textasciicircum{} $<$ $>$ \textbar{} {[} {*}"
    )


def test_latex_prints_a_minus_but_leaves_hyphens() -> None:
    table = Table("t", (text_column("a"), Column("b", ("b",))), ((text_cell("BUS-1"), interval_cell(-2.0, -1.0)),))
    assert r"BUS-1 & $-$2.00 to $-$1.00 \\" in as_latex(table, "t")


def test_digits_are_as_wide_as_computer_modern_draws_them() -> None:
    footnotesize = next(size for size in SIZES if size.points == 8)
    assert text_width("0123456789", footnotesize) == pytest.approx(42.5, abs=0.1)  # cmr8: 4.25 points each


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("num_datasets", [1, 6])
@pytest.mark.parametrize("num_methods", [1, 2, 6, 9])
def test_tables_of_up_to_nine_methods_are_within_their_width(
    num_methods: int, num_datasets: int, layout: Layout
) -> None:
    for name, table in compared(num_methods, num_datasets).items():
        assert estimated_width(table, layout) <= WIDTHS[layout]
        text = as_latex(table, name, layout)
        for line in table.lines:  # every number of the table stands in it, however it is laid out
            for cell in line[1:]:
                assert re.sub(r"(?<!\S)-(?=\d)", "$-$", latex_text(cell.text)) in text.replace(r"\allowbreak{}", "")


def test_a_long_table_becomes_several_that_say_so() -> None:
    text = as_latex(compared(9, 6)["methods"], "methods", "column")
    num_parts = text.count(r"\begin{table}")
    assert num_parts > 1 and f"(part {num_parts} of {num_parts})" in text
    assert text.count("Fewer than 50 images") == 1, "notes stand below the last part only"
    assert len(set(re.findall(r"\\label\{(.*?)\}", text))) == num_parts


def test_columns_in_panels_still_say_what_they_are_of() -> None:
    text = as_latex(compared(2, 1)["numbers"], "numbers", "column")
    assert text.count(r"\begin{tabular}") > 1
    for number in ("Dice", "IoU"):
        assert re.search(rf"{number} \\%: *(\\\\ )?95", text), number
    headers = [line for line in text.splitlines() if line.startswith("method &")]
    assert [line.count(r"IoU \%") > 1 for line in headers if r"& IoU \%" in line] == [True], "beside its interval"


def test_footnotes_of_a_table_of_one_line_are_listed() -> None:
    table = Table("t", (text_column("a"),), ((text_cell("x", (NOTE,)),),))
    assert r"x\textsuperscript{a} \\" in as_latex(table, "t") and r"\textsuperscript{a} 50 \%" in as_latex(table, "t")


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex here")
@pytest.mark.parametrize(("layout", "preamble"), CLASSES)
@pytest.mark.parametrize("num_methods", [1, 6, 9])
def test_a_latex_sets_them_without_a_line_that_is_too_wide(
    num_methods: int, layout: Layout, preamble: str, tmp_path: Path
) -> None:
    write_table_files(compared(num_methods, 3), tmp_path, "tables", layout)
    (tmp_path / "article.tex").write_text(preamble + BODY, encoding="utf-8")
    command = [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "article.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "article.log").read_text(encoding="utf-8", errors="replace")
    assert not re.findall(r"Overfull \\hbox.*|Float too large.*", log)
