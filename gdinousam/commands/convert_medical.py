"""``gdinousam convert-medical FILES_OR_FOLDERS --out FOLDER``: medical files as plain images without names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import run

EXAMPLE = (
    "example: %(prog)s exams/ --out frames --every 5. exit code: 0 where all is written, "
    "2 where nothing is; docs/medical.md says more"
)
PROGRAM = "gdinousam convert-medical"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(convert_medical_command, arguments, program))


def convert_medical_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, convert the files and report it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Write the frames of DICOM, NIfTI and MetaImage files as PNG images under counted names, with a "
        "table of sizes and millimetres per pixel. Names of patients and of files do not reach the output.",
        epilog=EXAMPLE,
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar="FILE_OR_FOLDER", help="files, or folders of them")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder to write")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="keep one of N frames (%(default)s)")
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="new CSV, outside FOLDER: the file of each case")
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read")
    options = parser.parse_args(arguments)

    from gdinousam.data.sources.medical.conversion import TABLE, convert_medical

    done = convert_medical(options.sources, options.out, options.every, options.mapping, options.skip_bad)
    print(f"{done.num_images} images of {done.num_files} files and {TABLE} in {options.out}")
    if done.num_bad:
        print(f"left out, cannot be read: {done.num_bad}")
    if done.num_others:
        print(f"left aside, no medical format or no picture in it: {done.num_others}")
    print("Look at the images before you share them: text that the machine has drawn into a picture is still there.")
    return 0


if __name__ == "__main__":
    main()
