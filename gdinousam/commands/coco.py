"""``gdinousam coco import`` and ``export``: COCO files to and from the data contract."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import run
from gdinousam.data.contract.layout import SPLITS

IMPORT_EXAMPLE = (
    "example: %(prog)s import instances.json --images pictures --out my_data --split train. Images are "
    "copied, masks written as PNG; train.CSV says which file and value each row means. exit code: 0 where the split is "
    "written, 2 where nothing is"
)
EXPORT_EXAMPLE = (
    "example: %(prog)s export my_data/test.CSV --images my_data/test_image --masks my_data/test_mask "
    "--out test.json. exit code: 0 where the file is written, 2 where not"
)
PROGRAM = "gdinousam coco"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(coco_command, arguments, program))


def coco_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, convert, and report what was written and what was left out; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Bring a COCO file of instances into the CSV layout (import), or a CSV with its masks into a COCO "
        "file (export). Boxes, phrases, masks, groups, datasets and absent phrases survive both ways.",
        epilog="import --help and export --help show the options of each. exit code: 0 where all is written, 2 where "
        "nothing is",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="import|export")
    _add_import(commands.add_parser("import", help="COCO file and images -> one split", epilog=IMPORT_EXAMPLE))
    _add_export(commands.add_parser("export", help="CSV and masks -> COCO file", epilog=EXPORT_EXAMPLE))
    options = parser.parse_args(arguments)
    print(_import(options) if options.command == "import" else _export(options))
    return 0


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("annotations", type=Path, metavar="ANNOTATIONS", help="COCO file (JSON)")
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="where its file names start")
    parser.add_argument("--out", type=Path, required=True, metavar="DATA", help="folder that gets the split")
    parser.add_argument("--split", choices=SPLITS, required=True, help="which split it becomes; must not exist yet")
    parser.add_argument("--dataset", metavar="NAME", help="name of the dataset (default: the file's name)")
    parser.add_argument(
        "--phrases", type=Path, metavar="FILE", help="YAML file of lines NAME: PHRASE, for categories to be renamed"
    )
    parser.add_argument(
        "--negatives", action="store_true", help="take images without annotations in, as rows without a target"
    )
    parser.add_argument(
        "--unused-categories",
        action="store_true",
        help="with --negatives: categories that nothing is annotated with were looked for, and are absent there too",
    )
    _add_allow_odd(parser)


def _add_allow_odd(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-odd", action="store_true", help="take boxes and masks that look wrong to the checker")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("csv", type=Path, metavar="CSV", help="table of boxes, as docs/data.md says")
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="folder of its images")
    parser.add_argument("--masks", type=Path, metavar="FOLDER", help="folder of its masks (default: boxes only)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="COCO file to write")
    parser.add_argument("--polygons", action="store_true", help="outlines instead of run lengths; they fill holes")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE where it exists")
    _add_allow_odd(parser)


def _import(options: argparse.Namespace) -> str:
    from gdinousam.data.sources.coco.importing import import_coco
    from gdinousam.data.sources.coco.instances import read_phrase_mapping
    from gdinousam.data.sources.coco.writing import ImportOptions

    phrases = read_phrase_mapping(options.phrases) if options.phrases else {}
    chosen = ImportOptions(
        options.split, options.dataset, phrases, options.negatives, options.allow_odd, options.unused_categories
    )
    return import_coco(options.annotations, options.images, options.out, chosen).text()


def _export(options: argparse.Namespace) -> str:
    from gdinousam.data.sources.coco.exporting import export_coco

    return export_coco(
        options.csv,
        options.images,
        options.masks,
        options.out,
        options.polygons,
        options.overwrite,
        allow_odd=options.allow_odd,
    ).text()


if __name__ == "__main__":
    main()
