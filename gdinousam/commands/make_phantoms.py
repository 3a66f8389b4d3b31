"""``gdinousam phantoms OUT``: generated ultrasound-like images with boxes, phrases and exact masks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import run
from gdinousam.data.sources.phantoms import FAMILIES, VARIED, PhantomSettings, write_phantoms
from gdinousam.data.sources.phantoms.clip_files import write_clips
from gdinousam.data.sources.phantoms.clips import ClipSettings
from gdinousam.progress_bar import ProgressBar

PROGRAM = "gdinousam phantoms"
EXAMPLE = (
    "example: %(prog)s phantoms --train 300 --val 60 --test 60. Expect a few seconds, about 12 MB and a folder with "
    "train.CSV, val.CSV and test.CSV, ready for training"
)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(make_phantoms_command, arguments, program))


def make_phantoms_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments and write the dataset; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Write a small dataset of generated ultrasound-like images with boxes, phrases and exact masks.",
        epilog=EXAMPLE,
    )
    parser.add_argument("folder", type=Path, metavar="OUT", help="folder to write; must not exist yet")
    parser.add_argument("--train", type=int, default=300, help="number of training images (default 300)")
    parser.add_argument("--val", type=int, default=60, help="number of validation images (default 60)")
    parser.add_argument("--test", type=int, default=60, help="number of test images (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same images (default 0)")
    parser.add_argument(
        "--families",
        nargs="+",
        default=["breast"],
        choices=[*FAMILIES, "all"],
        metavar="FAMILY",
        help=f"organs that the images show in turn: {', '.join(FAMILIES)}, or all (default breast)",
    )
    parser.add_argument(
        "--varied", action="store_true", help="vary size, probe, gain and overlays, and draw images without targets too"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a phantom dataset that lies at OUT")
    parser.add_argument(
        "--clips",
        type=int,
        metavar="N",
        help="write clips that move instead of images: videos, and masks of every frame",
    )
    parser.add_argument("--frames", type=int, default=60, metavar="N", help="frames of each clip (default 60)")
    given = parser.parse_args(arguments)
    families = FAMILIES if "all" in given.families else given.families
    settings = VARIED if given.varied else PhantomSettings()
    if given.clips is not None:
        with ProgressBar(given.clips, "drawing", "clip") as bar:
            look = ClipSettings(look=replace(settings, empty=0.0))
            write_clips(
                given.folder, given.clips, given.frames, given.seed, look, families=families, on_clip=bar.update
            )
        print(f"{given.clips} clips of {given.frames} frames in {given.folder}")
        return 0
    counts = given.train, given.val, given.test
    with ProgressBar(sum(counts), "drawing") as bar:
        write_phantoms(
            given.folder,
            *counts,
            given.seed,
            settings,
            families=families,
            replace=given.overwrite,
            on_image=bar.update,
        )
    print(f"{given.train} training, {given.val} validation and {given.test} test images in {given.folder}")
    return 0


if __name__ == "__main__":
    main()
