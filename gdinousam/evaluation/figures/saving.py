"""How figures look and how they are written; matplotlib's object interface only, so nothing global changes."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gdinousam.drawing import PALETTE
from gdinousam.errors import InputError
from gdinousam.files import replaced_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.scoring.notes import said_once, weights_remarks

DPI = 300
PNG_LEVEL = 4  # of zlib: speckle gets little smaller beyond, but takes several times longer
Width = Literal["column", "page"]
WIDTHS: tuple[Width, ...] = ("column", "page")
# Inches: one column and the text of a page as journals print them, 85 and 178 mm.
COLUMN_WIDTH, PAGE_WIDTH, PAGE_HEIGHT = 85 / 25.4, 178 / 25.4, 9.4
WIDTH_OF: Mapping[Width, float] = {"column": COLUMN_WIDTH, "page": PAGE_WIDTH}
INK = "#1a1b1c"  # a colour of its own: in SVG it becomes that of the page's text
GRID = "#8a8d91"
# The drawing palette, neighbours as different as may be, and then what Okabe and Ito's and a grey are left.
SERIES = (*("#{:02x}{:02x}{:02x}".format(*PALETTE[place]) for place in (0, 4, 2, 5, 1, 3)), "#0072b2", "#999999")
# Beside the colours, for grey print.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\", "++++", "oooo")
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so a figure looks alike everywhere
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "hatch.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "pdf.fonttype": 42,  # letters stay letters, as journals ask
    "svg.fonttype": "none",
    "svg.hashsalt": "gdinousam",  # else ids are drawn anew every time
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Everything drawn and written within looks alike."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def save_figure(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.png`` (300 dpi) and ``<stem>.pdf`` and return the paths; the same figure gives the same bytes.

    folder: made if missing; earlier files are replaced. Raises InputError where it cannot be written.
    """
    options: dict[str, dict[str, Any]] = {
        "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": PNG_LEVEL}},
        "pdf": {"metadata": {"CreationDate": None}},
    }
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, more in options.items():
            paths.append(folder / f"{stem}.{suffix}")
            with replaced_file(paths[-1]) as new:
                figure.savefig(new, dpi=DPI, facecolor="white", format=suffix, **more)
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}); name another folder") from error
    return paths


def as_svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an ``<svg>`` element for a page: it fills its column, its ink has the colour of the page's text.

    name: no other figure of the page has it; its ids begin with it. label: what a reader who cannot see it is told.
    """
    import html

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|\burl\(#|\bhref="#)', rf"\g<1>{name}-", text)
    view_box = re.search(r'viewBox="[^"]+"', text)
    assert view_box is not None
    opening = (
        f'<svg {view_box[0]} role="img" aria-label="{html.escape(label)}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return re.sub(r"^<svg[^>]*>", lambda _: opening, text)


_ELLIPSIS = "…"


def name_lines(name: str, letters: int, max_lines: int) -> list[str]:
    """A name in at most so many lines of so many letters, with an ellipsis where it does not fit.

    max_lines: at least 2. What stands in brackets at the end, that weights are random say, is never cut off.
    """
    lines = textwrap.wrap(name, letters) or ["-"]
    if len(lines) <= max_lines:
        return lines
    whole = re.fullmatch(r"(.*\S)\s*(\([^()]*\))", name)
    if whole is None:
        return textwrap.wrap(name, letters, max_lines=max_lines, placeholder=_ELLIPSIS)
    ending = textwrap.wrap(whole[2], letters)
    room = max(1, max_lines - len(ending))
    front = textwrap.wrap(whole[1], letters)
    if len(front) > room:
        front = [*front[: room - 1], front[room - 1][: letters - 1] + _ELLIPSIS]
    return [*front, *ending]


def weights_notes(compared: Compared) -> list[str]:
    """What a figure of these methods says of their weights; of a single method without its name."""
    remarks_of = {method: weights_remarks(compared.weights_of(method)) for method in compared.rows}
    if len(remarks_of) == 1:
        return [remark for remarks in remarks_of.values() for remark in remarks]
    return said_once(remarks_of)


def wrapped_notes(notes: Iterable[str], letters: int) -> list[str]:
    """The lines of all notes, each note beginning a new one."""
    return [line for note in notes for line in textwrap.wrap(note, letters)]
