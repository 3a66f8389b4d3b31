"""Programs timed on the same images and prompts, taking turns image by image."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.inputs import (
    SizeName,
    about_weights,
    detector_side,
    detector_weights,
    distinct_phrases,
    mask_head_weights,
    write_images,
)
from benchmarks.machine import watched_memory
from benchmarks.speed.agreement import compare_answers, compare_parts
from benchmarks.speed.comparison import OFFICIAL, Agreement, ProgramTiming
from benchmarks.speed.official import OfficialStack
from benchmarks.speed.programs import STAGES, Precision, Program, load_ours
from benchmarks.speed.turns import take_turns
from gdinousam.evaluation.timing.clock import Clock, Seconds, watched
from gdinousam.models.loading import pick_device
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Detection
from gdinousam.runtime import keep_freed_memory

logger = logging.getLogger(__name__)

Answers = dict[tuple[Path, str], Detection]


@dataclass(frozen=True)
class InferenceWork:
    """What is timed. Counts are at least 1.

    num_prompts: numbers of prompts per image, each timed apart. num_images: images that every number of prompts is
    timed on. num_official_images: of these, how many the official program runs. num_warm_up: untimed runs before each.
    batch_size: prompts that go through our detector at once. side: of the images, in pixels; ``None``: what the
    detector sees. mask_head: size of the official SAM2.
    """

    size: SizeName
    against_official: bool
    precisions: tuple[Precision, ...]
    num_prompts: tuple[int, ...]
    num_images: int
    num_official_images: int
    num_warm_up: int
    batch_size: int
    side: int | None
    mask_head: str
    device: str
    seed: int = 0


def time_inference(work: InferenceWork) -> tuple[list[ProgramTiming], list[Agreement], list[str]]:
    """Build the programs, time them and compare their answers: timings, agreements and remarks about both.

    Raises InputError where the official packages are missing or the device is.
    """
    device = pick_device(work.device)
    if device.type == "cpu":
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        official = None
        if work.against_official:
            logger.info("building the official models with random weights")
            official = OfficialStack(folder, work.mask_head, device)
        detector = detector_weights(work.size, folder, official.detector if official else None)
        mask_head = mask_head_weights(work.size, folder, official.sam2 if official else None)
        side = detector_side(work.size)
        resize = ResizeSettings(size=side)
        ours = [
            load_ours(detector, mask_head, resize, work.batch_size, precision, work.device)
            for precision in work.precisions
        ]
        paths = write_images(folder, work.num_images, work.side or side, work.seed)
        phrases = distinct_phrases(max(*work.num_prompts, work.num_images), work.seed)
        programs: list[Program] = [*([official] if official else []), *ours]
        timings, answers = _time_all(programs, paths, phrases, work, device)
        remarks = [about_weights(work.size, work.mask_head), *_remarks(work, answers)]
        agreements: list[Agreement] = []
        if official:
            logger.info("comparing the answers")
            agreements, about_official = compare_parts(official, ours, paths, phrases[: len(paths)])
            for one in ours:
                agreements += compare_answers(one.name, answers[one.name], answers[OFFICIAL])
            remarks += about_official
    return timings, agreements, remarks


def _time_all(
    programs: Sequence[Program],
    paths: Sequence[Path],
    phrases: Sequence[str],
    work: InferenceWork,
    device: torch.device,
) -> tuple[list[ProgramTiming], dict[str, Answers]]:
    by_name = {program.name: program for program in programs}
    timings: list[ProgramTiming] = []
    answers: dict[str, Answers] = {program.name: {} for program in programs}
    first_calls: dict[str, Seconds] = {}
    for program in programs:
        logger.info("first call of %s", program.name)
        first_calls[program.name], _ = run_once(program, paths[0], phrases[: work.num_prompts[0]], device)
    for place, num_prompts in enumerate(work.num_prompts):
        asked = phrases[:num_prompts]
        peaks = {program.name: _warm_up(program, paths[0], asked, work.num_warm_up, device) for program in programs}

        def run(name: str, index: int, asked: Sequence[str] = asked) -> Seconds:
            seconds, found = run_once(by_name[name], paths[index], asked, device)
            answers[name] |= {(paths[index], one.phrase): one for one in found}
            return seconds

        counts = {name: work.num_official_images if name == OFFICIAL else len(paths) for name in by_name}
        turns = take_turns(run, counts, prompts_text(num_prompts))
        timings += [
            ProgramTiming(
                program=program.name,
                work=prompts_text(num_prompts),
                num_images=1,
                precision=program.precision,
                weights_bytes=program.weights_bytes,
                peak_bytes=peaks[program.name],
                first_call=first_calls[program.name] if place == 0 else None,
                runs=tuple(turns[program.name].runs),
                waits=tuple(turns[program.name].waits),
            )
            for program in programs
        ]
    return timings, answers


def run_once(
    program: Program, path: Path, phrases: Sequence[str], device: torch.device
) -> tuple[Seconds, list[Detection]]:
    """One run of a program on one image: its seconds by stage, every one of ``STAGES``, and its answer."""
    clock = Clock(device)
    with watched(program.places, clock):
        found = program.answer(path, phrases, clock)
    seconds = clock.take()
    return {stage: seconds.get(stage, 0.0) for stage in STAGES}, found


def prompts_text(num_prompts: int) -> str:
    """How a table calls an image with so many prompts."""
    return f"{num_prompts} prompt{'s' * (num_prompts > 1)}"


def _warm_up(
    program: Program, path: Path, phrases: Sequence[str], num_warm_up: int, device: torch.device
) -> int | None:
    """Run untimed; returns the peak memory of the last run. A program that goes prompt by prompt needs one prompt."""
    asked = phrases if program.takes_prompts_together else phrases[:1]
    for _ in range(num_warm_up):
        with watched_memory(device) as peak:
            run_once(program, path, asked, device)
    return peak.extra_bytes


def _remarks(work: InferenceWork, answers: Mapping[str, Answers]) -> list[str]:
    together = min(work.batch_size, max(work.num_prompts))
    remarks = [
        f"A run is one image with its prompts, one box and one mask per prompt, from the file to the masks; ours takes "
        f"up to {together} prompt{'s' * (together > 1)} through the detector at once.",
        "Ours remembers what its text encoder says of a prompt: only the first call and the warm-up pay for it.",
        "Freed memory stays with the process on a CPU, for all programs alike.",
    ]
    if work.against_official:
        remarks.append(
            "The official program does one image and one prompt at a time in float32 and everything anew for each "
            "prompt; every one of its seconds was measured, none is extrapolated."
        )
        if work.num_official_images < work.num_images:
            remarks.append(f"It ran {work.num_official_images} of the {work.num_images} images; ratios are of these.")
    expected = work.num_images * max(work.num_prompts)
    for name, found in answers.items():
        wanted = work.num_official_images * max(work.num_prompts) if name == OFFICIAL else expected
        if len(found) < wanted:
            remarks.append(
                f"{name} found no box for {wanted - len(found)} of {wanted} prompts, whose masks took no time."
            )
    return remarks
