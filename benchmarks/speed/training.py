"""Steps of LoRA training timed on one batch: ours, and the official model as its public training script does it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.inputs import SizeName, about_weights, detector_side, detector_weights, training_batch
from benchmarks.machine import watched_memory, weights_bytes
from benchmarks.parity.official_grounding_dino import build_official, quiet_torch, write_text_encoder
from benchmarks.parity.topk import RecordTopk, ReplayTopk
from benchmarks.speed.comparison import OFFICIAL, Agreement, ProgramTiming, agreement_of
from benchmarks.speed.learners import (
    BACKWARD,
    LOSS,
    LOSSES,
    OPTIMIZER,
    TRAINING_STAGES,
    Learner,
    OfficialLearner,
    OurLearner,
)
from benchmarks.speed.programs import Precision
from benchmarks.speed.turns import take_turns
from gdinousam.evaluation.timing.clock import Clock, Seconds, watched
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import load_grounding_dino, pick_device
from gdinousam.preprocessing import ResizeSettings
from gdinousam.runtime import keep_freed_memory
from gdinousam.training.settings import TrainingSettings
from gdinousam.training.tasks import DetectorTask

logger = logging.getLogger(__name__)

_DEFAULTS = TrainingSettings(output_dir=Path("unused"))


@dataclass(frozen=True)
class TrainingWork:
    """What is timed. batch_size: images per step. num_steps: timed steps of each program, after num_warm_up untimed
    ones, at least 1. side: of the images, in pixels; ``None``: what the detector sees. gradient_checkpointing: of ours;
    the official code always does it. The rest as for inference.
    """

    size: SizeName
    against_official: bool
    precisions: tuple[Precision, ...]
    batch_size: int
    num_steps: int
    num_warm_up: int
    side: int | None
    device: str
    gradient_checkpointing: bool = False
    seed: int = 0


def time_training(work: TrainingWork) -> tuple[list[ProgramTiming], list[Agreement], list[str]]:
    """Build the learners, time their steps in turns and compare their first losses: timings, agreements and remarks.

    Raises InputError where the official package is missing or the device is.
    """
    device = pick_device(work.device)
    if device.type == "cpu":
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        learners = _learners(work, Path(name), device)
    trainers = [_Trainer(learner, device) for learner in learners]
    first = _first_steps(trainers)
    peaks: dict[str, int | None] = {}
    for trainer in trainers:
        trainer.learner.start_training()
        for _ in range(work.num_warm_up):
            with watched_memory(device) as peak:
                trainer.step()
            peaks[trainer.learner.name] = peak.extra_bytes
    by_name = {trainer.learner.name: trainer for trainer in trainers}
    step_text = f"a step of {work.batch_size}"
    turns = take_turns(lambda name, _: by_name[name].step()[0], dict.fromkeys(by_name, work.num_steps), step_text)
    timings = [
        ProgramTiming(
            program=learner.name,
            work=step_text,
            num_images=work.batch_size,
            precision=learner.precision,
            weights_bytes=weights_bytes(learner.model),
            peak_bytes=peaks[learner.name],
            first_call=first[learner.name].seconds,
            runs=tuple(turns[learner.name].runs),
            waits=tuple(turns[learner.name].waits),
        )
        for learner in learners
    ]
    return timings, _loss_agreements(first), _remarks(work, first)


class _Trainer:
    """Steps of one learner with AdamW and clipped gradients, as the training loop does them with its defaults."""

    def __init__(self, learner: Learner, device: torch.device) -> None:
        self.learner = learner
        self.device = device
        self.trained = [parameter for parameter in learner.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.trained, lr=_DEFAULTS.learning_rate, weight_decay=_DEFAULTS.weight_decay
        )

    def step(self) -> tuple[Seconds, float]:
        """One step: seconds by stage, every one of ``TRAINING_STAGES``, and the loss before it."""
        clock = Clock(self.device)
        with watched(self.learner.places, clock):
            with clock.running(LOSS):
                loss = self.learner.loss()
            with clock.running(BACKWARD):
                loss.backward()
            with clock.running(OPTIMIZER):
                nn.utils.clip_grad_norm_(self.trained, _DEFAULTS.max_gradient_norm)
                self.optimizer.step()
                self.optimizer.zero_grad()
        seconds = clock.take()
        return {stage: seconds.get(stage, 0.0) for stage in TRAINING_STAGES}, float(loss.detach())


@dataclass(frozen=True)
class _FirstStep:
    """seconds: by stage. loss: before the step. choice: how far scores at a rank are from the official proposals'."""

    seconds: Seconds
    loss: float
    choice: float


def _first_steps(trainers: Sequence[_Trainer]) -> dict[str, _FirstStep]:
    """The first step of each, by name; after the official one all get its choice of proposals.

    Random weights make many proposals as good as each other, and the loss is a sum over the chosen ones.
    """
    choices: list[torch.Tensor] = []
    steps = {}
    for trainer in trainers:
        name = trainer.learner.name
        logger.info("first step of %s", name)
        replay = ReplayTopk(choices)
        if name == OFFICIAL:
            with RecordTopk() as record:
                seconds, loss = trainer.step()
            choices = record.choices
        elif choices:
            with quiet_torch(), replay:
                seconds, loss = trainer.step()
            assert not replay.remaining, "our detector chooses proposals once"
        else:
            seconds, loss = trainer.step()
        steps[name] = _FirstStep(seconds, loss, replay.largest_difference)
    return steps


def _learners(work: TrainingWork, folder: Path, device: torch.device) -> list[Learner]:
    """All learners, their weights in memory. folder: existing, needed while they are loaded."""
    official = None
    if work.against_official:
        write_text_encoder(folder)
        logger.info("building the official model with random weights")
        official = build_official("Swin-T", folder)
    name = detector_weights(work.size, folder, official)
    side = detector_side(work.size)
    batch = training_batch(work.batch_size, work.side or side, work.seed)
    learners: list[Learner] = []
    for precision in work.precisions:
        model, tokenizer = load_grounding_dino(name)
        detector = Detector(add_lora(model, LoraSettings()), tokenizer)
        if work.gradient_checkpointing:
            detector.recompute_layers()
        task = DetectorTask(detector, LOSSES, ResizeSettings(size=side))
        learners.append(OurLearner(task, batch, precision, device))
    return [*([] if official is None else [OfficialLearner(official, folder, batch, device)]), *learners]


def _loss_agreements(first: Mapping[str, _FirstStep]) -> list[Agreement]:
    if OFFICIAL not in first:
        return []
    official, given = first[OFFICIAL].loss, "the batch and the same proposals"
    agreements = []
    for name, step in first.items():
        if name != OFFICIAL:
            relative = abs(step.loss - official) / abs(official)
            agreements += [
                agreement_of(name, "score of a proposal", given, "difference", [step.choice]),
                agreement_of(name, "loss of the first step, relative", given, "difference", [relative]),
            ]
    return agreements


def _remarks(work: TrainingWork, first: Mapping[str, _FirstStep]) -> list[str]:
    remarks = [
        about_weights(work.size),
        f"A run is one step on a batch of {work.batch_size} with one caption: forward pass, loss, backward pass, "
        "clipping, AdamW. Reading and augmenting images is not in it.",
        f"Loss of the first step: {', '.join(f'{name} {step.loss:.6g}' for name, step in first.items())}.",
        "Ours remembers what its frozen text encoder says of a caption: only the first step pays for it.",
        f"Ours computes its layers {'a second time in' if work.gradient_checkpointing else 'once, keeping what'} the "
        f"backward pass{'' if work.gradient_checkpointing else ' needs'}.",
        "Freed memory stays with the process on a CPU, for all programs alike.",
    ]
    if work.against_official:
        remarks.append(
            "Official: groundingdino-py with peft's adapters of rank 32, float32, its published gradient checkpoints, "
            "our matching and losses. The first step is in eval mode, and ours gets its choice of proposals, so that "
            "the losses can be compared."
        )
    return remarks
