"""``gdinousam predict IMAGE... --prompt PHRASE``: masks and overlays of single images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gdinousam.commands.common import add_config_choice, add_overwrite_option, config_source, run

PROGRAM = "gdinousam predict"
DEFAULT_CONFIG = "configs/test_config.yaml"  # names models and thresholds


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(predict_command, arguments, program))


def predict_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments, segment the images and report each detection in a line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Segment images from phrases. For every image and phrase a mask PNG (255 is inside), and for every "
        "image an overlay, are written.",
    )
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="image files of any usual kind, or folders of them"
    )
    parser.add_argument(
        "--prompt",
        action="append",
        required=True,
        help="what to look for; may be given several times, or several phrases in one with full stops: 'cyst. mass.'",
    )
    parser.add_argument("--output", type=Path, default=Path("predictions"), help="folder to write to (%(default)s)")
    add_overwrite_option(parser, "replace earlier masks and overlays of these images")
    add_config_choice(parser, DEFAULT_CONFIG, "small/test.yaml")
    options = parser.parse_args(arguments)
    source = config_source(options)

    from tqdm import tqdm

    from gdinousam.experiments.config import PredictConfig, load_config
    from gdinousam.experiments.predict import image_paths, predict_files
    from gdinousam.identity import phrases_in

    paths = image_paths(options.images)
    config = load_config(PredictConfig, *source).resolved()
    config.evaluation.prepare_process()
    segmenter = config.method.build_for_images(config)
    phrases = [phrase for prompt in options.prompt for phrase in phrases_in(prompt)]
    if config.method.finds_by_phrase:
        config.warn_of_new_phrases(phrases)
    for line in predict_files(segmenter, paths, phrases, options.output, options.overwrite):
        tqdm.write(line)  # print would run into the progress bar of a terminal
    return 0


if __name__ == "__main__":
    main()
