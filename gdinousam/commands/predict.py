"""``gdinousam predict IMAGE... -p PHRASE``: masks, overlays and measurements of images, without a config."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gdinousam.commands.common import BAD_INPUT, add_config_choice, add_overwrite_option, config_source, run
from gdinousam.errors import InputError

if TYPE_CHECKING:
    from gdinousam.prediction.files import Outcome
    from gdinousam.prediction.segmenter import Segmenter
    from gdinousam.prediction.views import ViewSettings

logger = logging.getLogger(__name__)

PROGRAM = "gdinousam predict"
DEFAULT_CONFIG = "configs/test_config.yaml"  # what --set changes where nothing else is named
DEFAULT_OUTPUT = Path("predictions")
SMALL = "small"
ABOUT_SMALL = (
    "model small, bundled, for a first try: it knows few phrases. For better weights: --model paper (after 'gdinousam "
    "download paper'), --model RUN or FOLDER, or --config FILE"
)
EXAMPLE = (
    'example: %(prog)s scans -p "benign breast lesion" -p cyst -o found --preview. exit code: 0 where every file was '
    "segmented, also if nothing was found in it; 2 where one or more could not be, which are listed at the end"
)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(predict_command, arguments, program))


def predict_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, segment the files and report each phrase in a line; returns the exit code."""
    options = _parser(program).parse_args(arguments)
    overrides, names_model = options.overrides, options.model is not None or options.adapter is not None
    if names_model and (options.config or options.small or overrides):
        raise InputError("--model and --adapter do not go with --config, --small and --set; name weights in one way")
    if options.output is None and not options.jsonl:
        options.output = DEFAULT_OUTPUT
    if options.preview and options.output is None:
        raise InputError("--preview writes a file; name a folder for it with --output")

    from gdinousam.identity import phrases_in
    from gdinousam.prediction.finding import find_sources

    phrases = [phrase for prompt in options.prompt for phrase in phrases_in(prompt)]
    paths = find_sources(options.images, options.frames)
    if not (options.model or options.config or options.small or overrides):
        logger.info(ABOUT_SMALL)

    from gdinousam.prediction.files import failure_text, predict_files, without_results  # torch: takes seconds
    from gdinousam.prediction.given import phrases_of_images

    phrases_of_images(phrases, 1)  # refuses what cannot be asked before weights are read
    if options.output is not None:
        paths = without_results(paths, phrases, options.output)
    if not paths:
        raise InputError(f"all images named are results in {options.output}; name the images that they are of")
    segmenter = _segmenter(options, phrases).showing(_views(options))
    outcomes: list[Outcome] = []
    for outcome in predict_files(
        segmenter,
        paths,
        phrases,
        options.output,
        threshold=options.threshold,
        max_detections=options.max_detections,
        overwrite=options.overwrite,
        keep_patient=options.keep_patient,
    ):
        _report(outcome, options.jsonl)
        outcomes.append(outcome)
    _tell_end(outcomes, options)
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    if failed:
        print(failure_text(failed, len(outcomes)), file=sys.stderr)
    return BAD_INPUT if failed else 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Segment images from phrases. For every image an overlay and for every phrase that is found a mask "
        "PNG (255 is inside) are written, for all images predictions.jsonl, COCO results and a CSV of measurements. "
        "What an earlier run of the same models, thresholds and phrases has done is skipped.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="image files of any usual kind, DICOM too, folders of them, or patterns such as 'scans/**/*.png'",
    )
    parser.add_argument(
        "-p",
        "--prompt",
        action="append",
        required=True,
        metavar="PHRASE",
        help="what to look for; may be given several times, or several phrases in one with full stops: 'cyst. mass.'",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help=f"folder to write to ({DEFAULT_OUTPUT})")
    add_overwrite_option(parser, "replace earlier results of these images")
    weights = parser.add_argument_group("models", "without any of these the bundled model small is used")
    weights.add_argument(
        "--model",
        metavar="NAME",
        help="small, small-v1, paper, the folder or file of a detector, a training run, or a hub id",
    )
    weights.add_argument("--adapter", metavar="NAME", help="LoRA folder, file or hub id to put on the model")
    add_config_choice(parser, None, "small/test.yaml")
    boxes = parser.add_argument_group("what counts as found")
    boxes.add_argument("--threshold", type=float, metavar="SCORE", help="lowest score in [0, 1] that counts")
    boxes.add_argument("--max-detections", type=int, metavar="N", help="objects per phrase, best first")
    parser.add_argument("--frames", action="store_true", help="a folder is one clip, its images are the frames")
    seen = parser.add_argument_group("clinical files")
    seen.add_argument(
        "--whole-picture", action="store_true", help="do not crop to the ultrasound regions that a DICOM file tells"
    )
    seen.add_argument("--colour", choices=("grey", "keep"), help="what the models see of coloured pixels (grey)")
    seen.add_argument(
        "--keep-patient",
        action="store_true",
        help="copy name, number and dates of the patient into the DICOM SEG; without it they are empty there",
    )
    parser.add_argument("--preview", action="store_true", help="also write one contact sheet of all images")
    parser.add_argument(
        "--jsonl",
        action="store_true",
        help="print one JSON object per image and nothing else; files are only written if --output is given",
    )
    return parser


def _segmenter(options: argparse.Namespace, phrases: Sequence[str]) -> Segmenter:
    from gdinousam.prediction.segmenter import Segmenter

    overrides = bool(options.overrides)
    if options.config or overrides:
        from gdinousam.experiments.config import PredictConfig, load_config
        from gdinousam.experiments.config_segmenter import segmenter_of_config

        if not options.config and not options.small:
            options.config = options.default_config = Path(DEFAULT_CONFIG)
        return segmenter_of_config(load_config(PredictConfig, *config_source(options)), phrases)
    return Segmenter.load(options.model or SMALL, adapter=options.adapter)


def _views(options: argparse.Namespace) -> ViewSettings:
    from gdinousam.prediction.views import ViewSettings

    chosen = {} if options.colour is None else {"colour": options.colour}
    return ViewSettings(by_regions=not options.whole_picture, **chosen)


def _report(outcome: Outcome, as_json: bool) -> None:
    """Print what became of a file; failures are listed at the end, in JSON in their place."""
    from tqdm import tqdm

    from gdinousam.prediction.writing.as_records import json_line

    lines: Sequence[str] = outcome.lines
    if as_json:
        lines = [json_line(outcome.record or {"image": outcome.path.name, "error": outcome.failure})]
    for line in lines:
        tqdm.write(line)  # print would run into the progress bar of a terminal


def _tell_end(outcomes: Sequence[Outcome], options: argparse.Namespace) -> None:
    """Say on stderr what is where, and write the contact sheet."""
    if options.output is None or all(outcome.record is None for outcome in outcomes):
        return
    if options.preview:
        from gdinousam.prediction.files import write_preview

        path, number = write_preview(outcomes, options.output)
        logger.info("%s: %d of %d images", path, number, len(outcomes))
    number, before = sum(one.record is not None for one in outcomes), sum(one.was_done for one in outcomes)
    skipped = f", {before} of them done before" if before else ""
    logger.info("%s: results of %d image%s%s", options.output, number, "s" * (number != 1), skipped)


if __name__ == "__main__":
    main()
