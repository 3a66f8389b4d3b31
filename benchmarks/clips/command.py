"""``python scripts/benchmark.py clips``: targets followed through phantom clips, against every frame on its own."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.clips.following import Followed, clips, follow, scored
from benchmarks.clips.scores import IN_VIEW, TOUCHED
from benchmarks.machine import machine_facts, versions
from benchmarks.record import Record, add_output_options, command_text, publish, record_path
from gdinousam.commands.benchmark import positive
from gdinousam.data.sources.phantoms.clips import PhantomClip
from gdinousam.evaluation.reporting.statistics import bootstrap_interval
from gdinousam.evaluation.reporting.table import (
    Cell,
    Table,
    count_cell,
    number_cell,
    number_columns,
    text_cell,
    text_column,
)
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import pick_device
from gdinousam.models.segmenter import load_segmenter
from gdinousam.prediction.clips.settings import ClipSettings
from gdinousam.progress_bar import ProgressBar

NAME = "clips"
SURE = 0.3  # as ``UNCHOSEN`` has it for further boxes; small-v1's own thresholds suppose that the target is there
WAYS = {"every frame on its own": None, "followed": ClipSettings()}
MEASURES = ("dice", "flicker", "lost", "false")


@dataclass(frozen=True)
class ClipsRecord(Record):
    """followed: of every way, clip and phrase."""

    followed: tuple[Followed, ...]


def clips_command(arguments: Sequence[str]) -> int:
    """Parse arguments, follow and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {NAME}",
        description="Generate clips that move and deform, in half of which the target leaves and comes back, and "
        "follow their phrases with the bundled small model. About 5 minutes for 12 clips of 60 frames on an idle core.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument("--clips", type=positive, default=12, metavar="N", help="clips (default: %(default)s)")
    parser.add_argument(
        "--frames", type=positive, default=60, metavar="N", help="frames of each (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other clips (default: %(default)s)")
    add_output_options(parser, f"a folder {NAME} with the numbers as JSON and the table")
    options = parser.parse_args(arguments)
    path = record_path(options.out / NAME, NAME, options.overwrite)
    followed = _followed(clips(options.clips, options.frames, options.seed), options.clips)
    facts = machine_facts(pick_device("auto"))
    record = ClipsRecord(command_text(NAME, arguments), facts, versions(), tuple(followed))
    publish(record, {"ways": ways_table(followed)}, path)
    return 0


def _followed(drawn: Iterator[tuple[PhantomClip, str, bool]], num_clips: int) -> list[Followed]:
    """Every clip in every way, with the thresholds of the small model and with one score for all phrases."""
    sure = PredictionSettings(box_threshold=SURE, further_threshold=SURE)
    segmenters = {
        "": load_segmenter("small", "small"),
        f", score {SURE:g}": load_segmenter("small", "small", None, None, sure),
    }
    followed = []
    with ProgressBar(num_clips * len(WAYS) * len(segmenters), "following", "clip") as bar:
        for number, (clip, family, leaves) in enumerate(drawn):
            for threshold, segmenter in segmenters.items():
                for way, settings in WAYS.items():
                    objects, seconds = follow(segmenter, clip, settings)
                    followed += [
                        Followed(way + threshold, number, family, leaves, phrase, scores, tuple(seconds))
                        for phrase, scores in scored(clip, objects).items()
                    ]
                    bar.update()
    return followed


def ways_table(followed: Sequence[Followed]) -> Table:
    """A line for each way."""
    lines = []
    for way in dict.fromkeys(one.way for one in followed):
        of_way = [one for one in followed if one.way == way]
        seconds = [second for one in _first_of_clips(of_way) for second in one.seconds[1:]]
        lines.append(
            (
                text_cell(way),
                count_cell(len({one.clip for one in of_way})),
                count_cell(len(of_way)),
                *(cell for measure in MEASURES for cell in _cells(of_way, measure)),
                count_cell(sum(one.scores.switches for one in of_way)),
                number_cell(1000 * float(np.median(seconds)), 0),
                number_cell(1000 * float(np.mean(seconds)), 0),
            )
        )
    named = [heading for measure in MEASURES for heading in (measure, "95 %")]
    return Table(
        "Targets of phantom clips",
        (text_column("way"), *number_columns("clips", "targets", *named, "switches", "ms, median", "mean")),
        tuple(lines),
        (
            "Means over targets, a phrase in a clip, with bootstrap intervals over clips. In view: at least "
            f"{IN_VIEW:.0%} of the largest area. Lost: no answer that overlaps by an IoU of {TOUCHED}. False: an "
            "answer where the target is out of view, in the clips whose target leaves. Switches: changes of an "
            "object's number.",
        ),
    )


def _cells(of_way: Sequence[Followed], measure: str) -> tuple[Cell, Cell]:
    values = [(asdict(one.scores)[measure], one.clip) for one in of_way]
    known = [(value, clip) for value, clip in values if not math.isnan(value)]
    interval = bootstrap_interval([value for value, _ in known], [clip for _, clip in known])
    return number_cell(interval.mean, 3), text_cell(f"{interval.low:.3f} to {interval.high:.3f}")


def _first_of_clips(of_way: Sequence[Followed]) -> list[Followed]:
    """One of each clip: phrases of a clip are followed together and share its seconds."""
    by_clip: dict[int, Followed] = {}
    for one in of_way:
        by_clip.setdefault(one.clip, one)
    return list(by_clip.values())
