"""``gdinousam import``: what annotation tools write, and folders of masks, as splits of the data contract."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, cast

from gdinousam.commands.common import run
from gdinousam.data.contract.layout import SPLITS
from gdinousam.errors import InputError

if TYPE_CHECKING:
    from gdinousam.data.sources.coco.writing import Shares

PROGRAM = "gdinousam import"
GIVEN = "given"
EXAMPLE = (
    "example: %(prog)s annotations.xml my_data --images pictures --split train. docs/importing.md has a table of the "
    "formats and of what is a negative in each; COCO files: gdinousam coco import. exit code: 0 where all is written, "
    "2 where nothing is"
)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(import_command, arguments, program))


def import_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, import, and report what was written and what was left out; returns the exit code."""
    options = _parser(program).parse_args(arguments)
    split = _split(options.split)

    from gdinousam.data.sources.annotations.importing import import_annotations
    from gdinousam.data.sources.annotations.options import ReadOptions
    from gdinousam.data.sources.annotations.phrases import read_phrase_table
    from gdinousam.data.sources.coco.writing import ImportOptions

    phrases = read_phrase_table(options.phrases) if options.phrases else {}
    reading = ReadOptions(
        images=options.images,
        masks=options.masks,
        phrase=options.phrase,
        attribute=options.attribute,
        several=options.several,
        each_part=options.each_part,
        one_based=options.one_based,
    )
    chosen = ImportOptions(
        split, options.dataset, phrases, options.negatives, options.allow_odd, absent=tuple(options.absent)
    )
    print(import_annotations(options.source, options.out, chosen, reading, options.format, options.group).text())
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Bring images with the annotations of a labelling tool, or with a folder of masks, into the CSV "
        "layout: images, one mask file per phrase, and a CSV with a row per object.",
        epilog=EXAMPLE,
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="file or folder that the tool has written")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder that gets the splits; they must not exist yet")
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        help="masks (two folders), labelme, via, cvat, labelstudio, voc, yolo, or datumaro:NAME for a format of "
        'datumaro, which needs pip install "gdinousam[import]" (default: guessed)',
    )
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="folder of the images (default: beside the source)"
    )
    parser.add_argument("--masks", type=Path, metavar="FOLDER", help="folder of the masks, for masks elsewhere")
    parser.add_argument(
        "--split",
        default="train",
        metavar="SPLIT",
        help=f"{', '.join(SPLITS)}, shares such as 70/15/15, which part by group, or given: those of the source "
        "(default: %(default)s)",
    )
    parser.add_argument("--dataset", metavar="NAME", help="name of the dataset (default: that of the source)")
    parser.add_argument(
        "--group", metavar="REGEX", help="finds the patient in the name of an image, such as '^(p[0-9]+)_'"
    )
    parser.add_argument(
        "--phrases",
        type=Path,
        metavar="FILE",
        help="phrase of each value of label maps, or of each label to be renamed: YAML lines KEY: PHRASE, a CSV, or "
        "the label descriptions of ITK-SNAP (.txt)",
    )
    parser.add_argument("--phrase", metavar="TEXT", help="of masks in which all that is not black is one thing")
    _add_reading(parser)
    return parser


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--negatives",
        "--empty-is-negative",
        action="store_true",
        help="images whose annotation is empty show none of the labels; without it only where the tool says so",
    )
    parser.add_argument(
        "--absent",
        nargs="+",
        default=[],
        metavar="PHRASE",
        help="what images without a target do not show (default: all labels of the source)",
    )
    parser.add_argument("--each-part", action="store_true", help="masks: each connected part is an object")
    parser.add_argument("--attribute", metavar="NAME", help="VIA: the region attribute that holds the label")
    parser.add_argument(
        "--several", choices=("first", "last"), help="Label Studio: which of several annotations of a task counts"
    )
    parser.add_argument(
        "--one-based", action="store_true", help="Pascal VOC: the first pixel is 1, as in VOC's own files"
    )
    parser.add_argument("--allow-odd", action="store_true", help="take boxes and masks that look wrong to the checker")


def _split(text: str) -> Literal["train", "val", "test", "given"] | Shares:
    """The split or the shares that an option names."""
    if text in (*SPLITS, GIVEN):
        return cast(Literal["train", "val", "test", "given"], text)
    try:
        shares = tuple(float(part) for part in text.split("/"))
    except ValueError:
        shares = ()
    if len(shares) != 3 or not all(0 <= share < float("inf") for share in shares) or not shares[0]:
        raise InputError(
            f"--split {text}: name {', '.join(SPLITS)}, {GIVEN}, or the shares of the three, such as 70/15/15"
        )
    train, val, test = shares
    total = train + val + test
    return train / total, val / total, test / total


if __name__ == "__main__":
    main()
