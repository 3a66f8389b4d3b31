"""``python scripts/parity.py``: the largest differences between our models and the official code, as a table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.errors import InputError
from gdinousam.files import write_text

if TYPE_CHECKING:
    from benchmarks.parity.rows import ParityRow

PARTS = ("detector", "mask-heads", "adapters")
OVER_TOLERANCE = 1
# In a file that has both, --output replaces what stands between them.
TABLE_BEGIN, TABLE_END = "<!-- parity table: begin -->", "<!-- parity table: end -->"
EPILOG = (
    "Takes about five minutes on two cores and 5 GB of memory. exit code: 0 where all differences are allowed, 1 where "
    "one is not, 2 where nothing could be compared"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    sys.exit(run(parity_command, arguments))


def parity_command(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, compare and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Compare our models with the official code: full size, the same weights, the same input, the "
        "largest difference of every output. Needs the official packages: pip install -e .[official]",
        epilog=EPILOG,
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="compare this only; may be given several times")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the table to a file")
    recorded = parser.add_mutually_exclusive_group()
    recorded.add_argument("--record", type=Path, metavar="FILE", help="save the official detector's outputs, no table")
    recorded.add_argument(
        "--recorded", type=Path, metavar="FILE", help="compare the detector with saved outputs; needs no package"
    )
    options = parser.parse_args(arguments)

    if options.record:
        from benchmarks.parity.detector import record

        record(options.record)
        print(f"official outputs in {options.record}")
        return 0

    from benchmarks.parity.rows import as_markdown, made_with

    parts = ["detector"] if options.recorded else options.part or PARTS
    rows = [row for part in parts for row in _rows_of(part, options.recorded)]
    if not rows:
        return BAD_INPUT
    text = f"{as_markdown(rows)}\n\nMade with {made_with()}."
    print(text)
    if options.output:
        put_table(text, options.output)
    return 0 if all(row.passes for row in rows) else OVER_TOLERANCE


def put_table(text: str, path: Path) -> None:
    """Write the table to a file, or, where the file has a place for it (``TABLE_BEGIN``, ``TABLE_END``), into that."""
    before = after = ""
    if path.is_file():
        content = path.read_text(encoding="utf-8")
        if TABLE_BEGIN in content and TABLE_END in content:
            before, rest = content.split(TABLE_BEGIN, 1)
            after = rest.split(TABLE_END, 1)[1]
            text = f"{TABLE_BEGIN}\n{text}\n{TABLE_END}"
    write_text(path, f"{before}{text}{after or chr(10)}")


def _rows_of(part: str, recorded: Path | None) -> list[ParityRow]:
    """All rows of a part; none, and a line that says why, where its official package is missing."""
    try:
        return list(_compare(part, recorded))
    except InputError as error:
        print(f"{part} cannot be compared: {error}", file=sys.stderr)
        return []


def _compare(part: str, recorded: Path | None) -> Iterator[ParityRow]:
    if recorded:
        from benchmarks.parity.detector import recorded_rows
        from benchmarks.parity.recorded import load_recording

        return recorded_rows(load_recording(recorded))
    if part == "detector":
        from benchmarks.parity.detector import detector_rows

        return detector_rows()
    if part == "mask-heads":
        from benchmarks.parity.mask_heads import mask_head_rows

        return mask_head_rows()
    from benchmarks.parity.adapters import adapter_rows

    return adapter_rows()


if __name__ == "__main__":
    main()
