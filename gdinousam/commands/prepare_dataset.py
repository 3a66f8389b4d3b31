"""``gdinousam prepare NAME --raw RELEASE --out DATA``: a public dataset in the data contract."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gdinousam.commands.common import run
from gdinousam.errors import InputError

if TYPE_CHECKING:
    from gdinousam.data.preparation.report import Options
    from gdinousam.data.sources.public.interface import PublicDataset

EXAMPLE = (
    "example: %(prog)s BUSI --raw downloads/archive.zip --out multimodal-data. "
    "exit code: 0 where it is written, 2 where not; docs/datasets.md says more"
)
PROGRAM = "gdinousam prepare"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(prepare_dataset_command, arguments, program))


def prepare_dataset_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, prepare what is named and report it; returns the exit code."""
    parser = _parser(program)
    given = parser.parse_args(arguments)

    from gdinousam.data.preparation.listing import list_datasets
    from gdinousam.data.preparation.report import Options

    if given.list:
        print(list_datasets())
        return 0
    if (given.name is None) == (given.all is None) or (given.name is not None and given.raw is None):
        parser.error("give NAME with --raw, or --all ROOT, or --list")
    options = Options(given.split, given.phrases, given.negatives, given.skip_bad, given.support)
    if given.all is not None:
        _prepare_all(given.all, given.out, options, given.preview)
    else:
        from gdinousam.data.sources.public.registry import find_dataset

        _prepare_one(find_dataset(given.name), given.raw, given.out, options, given.preview)
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Write a public dataset as images, masks and CSV rows, beside the datasets that are there already.",
        epilog=EXAMPLE,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the dataset, as --list names it")
    parser.add_argument("--raw", type=Path, metavar="RELEASE", help="its download: a folder or a zip or tar archive")
    parser.add_argument("--out", type=Path, default=Path("multimodal-data"), help="folder to write to (%(default)s)")
    parser.add_argument("--list", action="store_true", help="show every dataset with organ, counts, home page, licence")
    parser.add_argument("--all", type=Path, metavar="ROOT", help="prepare every dataset found below this folder")
    parser.add_argument(
        "--split",
        choices=("grouped", "paper"),
        default="grouped",
        help="grouped: no patient, volume or near-duplicate in two splits (default); paper: the published rule",
    )
    parser.add_argument(
        "--phrases",
        choices=("qualified", "paper"),
        help="whose words to write, such as 'benign breast lesion' or 'benign'; default: paper's with --split paper",
    )
    parser.add_argument("--negatives", action="store_true", help="also images without any target")
    parser.add_argument("--skip-bad", action="store_true", help="leave out images that cannot be read, and count them")
    parser.add_argument(
        "--support",
        type=_count,
        default=0,
        metavar="N",
        help="of a dataset that is only tested, set N images aside as examples for UniverSeg (the paper: 16): whole "
        "patients, volumes or look-alikes, in support.CSV, support/ and support_mask/, and no more in the test",
    )
    parser.add_argument("--preview", type=Path, metavar="FILE", help="draw a contact sheet (with --all a folder)")
    return parser


def _prepare_one(dataset: PublicDataset, raw: Path, out: Path, options: Options, preview: Path | None) -> None:
    from gdinousam.data.preparation.prepare import prepare
    from gdinousam.data.preparation.preview import write_preview

    report = prepare(dataset, raw, out, options)
    print(report.text())
    if preview is not None and any(size.num_images for size in report.written.values()):
        write_preview(out, report.facts.tag, preview)
        print(f"\npreview: {preview}")


def _prepare_all(root: Path, out: Path, options: Options, preview: Path | None) -> None:
    """Every dataset below the root; one that fails is told and the others go on."""
    from gdinousam.data.preparation.listing import found_releases

    failed = []
    out.mkdir(parents=True, exist_ok=True)
    for dataset, release in found_releases(root, out):
        name = dataset.facts.name
        print(f"\n{release.name}")
        try:
            fitting = options if dataset.facts.role == "unseen" else dataclasses.replace(options, support=0)
            _prepare_one(dataset, release, out, fitting, None if preview is None else preview / f"{name}.png")
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            failed.append(name)
    if failed:
        raise InputError(f"{root}: not prepared: {', '.join(failed)}; the lines above say why")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


if __name__ == "__main__":
    main()
