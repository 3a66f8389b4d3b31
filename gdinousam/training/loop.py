"""The training loop: forward, backward, clip, step, log; validate, save, stop early; resume to the same numbers."""

from __future__ import annotations

import logging
import math
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from tqdm import tqdm

from gdinousam.data.dataset import Batch, JoinedExamples
from gdinousam.errors import InputError
from gdinousam.models.weights.choice import BEST
from gdinousam.training.averaging import Average
from gdinousam.training.board import Board
from gdinousam.training.checkpoints import LAST, RunCheckpoints
from gdinousam.training.loading import RunBatches, worker_faults
from gdinousam.training.losses import LOSS, Counts, Sums, means
from gdinousam.training.metrics_file import EpochRow, MetricsFile
from gdinousam.training.progress import Progress
from gdinousam.training.schedule import build_schedule
from gdinousam.training.settings import LoopSettings
from gdinousam.training.tasks import Task, to_device
from gdinousam.training.verdict import End, Outcome, doubts, outcome_of, too_short

logger = logging.getLogger(__name__)


class Trainer:
    """One run of one task.

    folder: the run folder; only the main process writes. notes: what to keep beside weights. sheet: draws a picture of
    predictions into a file, or ``None``.
    ``best`` holds the model of the epoch with the least ``stop_on`` loss; where that is the validation loss and there
    are not validation images, only ``last`` is written.
    """

    def __init__(
        self,
        task: Task,
        train_set: JoinedExamples,
        val_set: JoinedExamples | None,
        batch_size: int,
        num_workers: int,
        settings: LoopSettings,
        folder: Path,
        accelerator: Accelerator,
        notes: dict[str, Any] | None = None,
        sheet: Callable[[Path], None] | None = None,
    ) -> None:
        self.task, self.settings, self.folder, self.accelerator = task, settings, folder, accelerator
        self.train_set, self.val_set = train_set, val_set
        self.batch_size = batch_size
        self.batches = RunBatches(
            train_set,
            val_set,
            batch_size,
            num_workers,
            settings.seed,
            accelerator.process_index,
            accelerator.num_processes,
            pinned=accelerator.device.type == "cuda",
        )
        self.sheet = sheet
        self.board = Board(accelerator)
        self.progress = Progress(num_processes=accelerator.num_processes, batch_size=batch_size)
        trained = [parameter for parameter in task.model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self.num_batches = math.ceil(math.ceil(len(train_set) / accelerator.num_processes) / batch_size)
        steps_per_epoch = math.ceil(self.num_batches / settings.accumulation_steps)
        num_whole = len(train_set) // accelerator.num_processes // batch_size // settings.accumulation_steps
        num_steps = steps_per_epoch * settings.num_epochs
        self.schedule = build_schedule(optimizer, settings, num_steps, max(1, num_whole * settings.num_epochs))
        if (warning := too_short(settings, num_steps)) is not None:
            logger.warning("%s", warning)
        # prepare also makes the model's forward run in mixed precision; losses stay outside of it, in float32
        self.model, self.optimizer = accelerator.prepare(task.model, optimizer)
        accelerator.register_for_checkpointing(self.progress, self.schedule)
        self.average = Average(task.model, settings.average_decay) if settings.average_decay else None
        if self.average is not None:
            accelerator.register_for_checkpointing(self.average)
        self.checkpoints = RunCheckpoints(folder, accelerator, notes or {})

    def run(self, resume: bool = False) -> Outcome:
        """Train until the last epoch, early stopping or Ctrl-C. resume: go on where the run in the folder stopped."""
        if resume:
            self.checkpoints.load_state()
        progress, settings = self.progress, self.settings
        metrics = MetricsFile(self.folder / "metrics.csv", progress.epoch) if self.accelerator.is_main_process else None
        end: End = "finished"
        with _stop_on_signal() as stop, self._bar() as bar, worker_faults(), closing(self.batches):
            while progress.epoch < settings.num_epochs:
                if progress.epoch and progress.epochs_since_best >= settings.patience:
                    end = "stopped early"
                    break
                started, first_batch = time.perf_counter(), progress.batches_done
                if not self._train_epoch(bar, stop):
                    end = "interrupted"
                    self.checkpoints.save_state()
                    break
                seconds = time.perf_counter() - started
                num_images = (self.num_batches - first_batch) * self.batch_size * self.accelerator.num_processes
                self._finish_epoch(metrics, seconds, min(num_images, len(self.train_set)) / seconds)
                if progress.epoch < settings.num_epochs and self._anyone(stop()):  # during its last batch, or its only
                    end = "interrupted"
                    break
        self.accelerator.end_training()
        outcome = outcome_of(end, progress, BEST, LAST, self.task.change())
        for doubt in doubts(outcome, settings) if end != "interrupted" else ():
            logger.warning("%s", doubt)
        return outcome

    def _train_epoch(self, bar: tqdm, stop: Callable[[], bool]) -> bool:
        """Train the rest of the epoch; false where the user asked to stop before its end."""
        settings, progress, accelerator = self.settings, self.progress, self.accelerator
        self.model.train()
        started, num_images = time.perf_counter(), 0
        for window in _windows(self.batches.train(progress.epoch, progress.batches_done), settings.accumulation_steps):
            terms = self._learn(window)
            progress.batches_done += len(window)
            num_images += sum(len(batch.examples) for batch in window)
            bar.update(len(window))
            self._step()
            speed = num_images * accelerator.num_processes / (time.perf_counter() - started)
            if progress.step % settings.log_every == 0:
                self._log(terms, speed, bar)
            if progress.batches_done < self.num_batches and self._anyone(stop()):
                return False
        return True

    def _learn(self, window: Sequence[Batch]) -> dict[str, torch.Tensor]:
        """Gradients of the loss over all batches of an optimizer step, of all processes; returns this process's means.

        What the terms are means over is known before the first of them is computed, so that the gradients are those of
        one batch that holds them all.
        """
        accelerator, task = self.accelerator, self.task
        counts = _added(task.counts(batch) for batch in window)
        # processes average their gradients, so each divides by its share of the whole
        shares = {
            name: float(accelerator.reduce(torch.tensor(float(count), device=accelerator.device), "mean"))
            for name, count in counts.items()
        }
        all_sums = []
        for place, batch in enumerate(window, start=1):
            with nullcontext() if place == len(window) else accelerator.no_sync(self.model):
                sums = task.sums(self.model, to_device(batch, accelerator.device))
                loss = means(sums, task.terms, shares)[LOSS]
                self._require_finite(loss)
                accelerator.backward(loss)
            self.progress.add(sums, task.counts(batch))
            all_sums.append({name: value.detach() for name, value in sums.items()})
        return means(_added(all_sums), task.terms, counts)

    def _require_finite(self, loss: torch.Tensor) -> None:
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss is {float(loss.detach())} at step {self.progress.step}; lower "
                "training.learning_rate or set training.mixed_precision to no"
            )

    def _step(self) -> None:
        if self.settings.max_gradient_norm and self.accelerator.sync_gradients:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.max_gradient_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if not self.accelerator.optimizer_step_was_skipped:  # fp16 skips steps whose gradients overflow
            self.schedule.step()
            if self.average is not None:
                self.average.update()
        self.progress.step += 1

    def _finish_epoch(self, metrics: MetricsFile | None, seconds: float, images_per_second: float) -> None:
        progress = self.progress
        row: EpochRow = {"epoch": progress.epoch + 1, "step": progress.step}
        row["learning_rate"] = float(self.schedule.get_last_lr()[0])
        train_terms = self._mean(progress.sums, progress.counts)
        row |= {f"train_{name}": value for name, value in train_terms.items()}
        with nullcontext() if self.average is None else self.average.in_place():
            val_terms = self._validate()
            row |= {f"val_{name}": value for name, value in val_terms.items()}
            row |= {"images_per_second": round(images_per_second, 3), "peak_memory_mb": peak_memory_mb()}
            row["seconds"] = round(seconds, 3)
            judged = train_terms["loss"] if self.settings.stop_on == "train_loss" else val_terms.get("loss")
            is_best = judged is not None and progress.judge(judged)
            self._keep(row, is_best, metrics)
        progress.next_epoch()
        # last, so that a run killed before this line does the epoch again, with the same result
        self.checkpoints.save_state()
        self.board.show_epoch(row, progress.step)
        logger.info("%s", _epoch_line(row, self.settings.num_epochs, is_best))
        self.accelerator.wait_for_everyone()

    def _keep(self, row: EpochRow, is_best: bool, metrics: MetricsFile | None) -> None:
        """Write the row of an epoch, the weights as they are now, and sample pictures."""
        if is_best:
            self.progress.best_change = self.task.change()
        if metrics is None:
            return
        metrics.append(row)
        self.checkpoints.save_weights(LAST, self.task, row)
        if is_best:
            self.checkpoints.save_weights(BEST, self.task, row)
        epoch, every = self.progress.epoch + 1, self.settings.sample_pictures_every
        if self.sheet is not None and every and (epoch % every == 0 or epoch == 1):
            picture = self.folder / "pictures" / f"epoch_{epoch:04d}.png"
            self.sheet(picture)
            self.board.show_sheet(picture, self.progress.step)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Mean loss terms over the validation images; empty without any."""
        if self.val_set is None:
            return {}
        self.model.eval()
        # the bare model: processes may have different numbers of batches, which the wrapped one would wait for
        model = self.accelerator.unwrap_model(self.model)
        judged = Progress()
        for batch in self.batches.val():
            judged.add(self.task.sums(model, to_device(batch, self.accelerator.device)), self.task.counts(batch))
        return self._mean(judged.sums, judged.counts)

    def _mean(self, sums: Sums, counts: Counts) -> dict[str, float]:
        """The loss and its terms over all that was summed, by all processes."""
        device = self.accelerator.device
        all_sums = {name: self.accelerator.reduce(value.to(device)) for name, value in sums.items()}
        all_counts = {
            name: float(self.accelerator.reduce(torch.tensor(float(count), device=device, dtype=torch.float64)))
            for name, count in counts.items()
        }
        return {name: float(value) for name, value in means(all_sums, self.task.terms, all_counts).items()}

    def _bar(self) -> tqdm:
        total = self.settings.num_epochs * self.num_batches
        # a bar in a terminal; a log file gets the lines of _log and _finish_epoch instead
        disable = None if self.accelerator.is_main_process else True
        return tqdm(
            total=total,
            initial=self._batches_done(),
            unit="batch",
            disable=disable,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def _log(self, terms: dict[str, torch.Tensor], images_per_second: float, bar: tqdm) -> None:
        values = {name: float(value.detach()) for name, value in terms.items()}
        learning_rate = float(self.schedule.get_last_lr()[0])
        tracked = {f"train_{name}": value for name, value in values.items()}
        tracked |= {"learning_rate": learning_rate, "images_per_second": images_per_second}
        self.board.show_step(tracked, self.progress.step)
        shown = {name: f"{value:.3f}" for name, value in values.items()}
        shown |= {"lr": f"{learning_rate:.1e}", "images/s": f"{images_per_second:.1f}"}
        bar.set_description(f"epoch {self.progress.epoch + 1}/{self.settings.num_epochs}", refresh=False)
        bar.set_postfix(shown)
        if bar.disable and self.accelerator.is_main_process:
            num_left = self.settings.num_epochs * self.num_batches - self._batches_done()
            seconds_left = num_left * self.batch_size / images_per_second
            numbers = " ".join(f"{name} {value}" for name, value in shown.items())
            logger.info("step %d: %s, at most %.0f min left", self.progress.step, numbers, seconds_left / 60)

    def _batches_done(self) -> int:
        return self.progress.epoch * self.num_batches + self.progress.batches_done

    def _anyone(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.accelerator.num_processes == 1:
            return flag
        return bool(self.accelerator.reduce(torch.tensor(int(flag), device=self.accelerator.device)) > 0)


def _windows(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """The batches of one optimizer step after the other; the last may be fewer than ``size``."""
    window: list[Batch] = []
    for batch in batches:
        window.append(batch)
        if len(window) == size:
            yield window
            window = []
    if window:
        yield window


def _added(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of each entry."""
    total: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total[name] + value if name in total else value
    return total


def peak_memory_mb() -> int:
    """Largest memory that this process has used so far: of the GPU where there is one, else of the machine."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return round(torch.cuda.max_memory_allocated() / 2**20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C (or a scheduler's SIGTERM) came; a second Ctrl-C stops at once."""
    stopped = False

    def remember(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        logger.warning("stopping after this step; press Ctrl-C again to stop at once without saving")

    earlier = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: stopped
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _epoch_line(row: EpochRow, num_epochs: int, is_best: bool) -> str:
    losses = " ".join(f"{name} {value:.4f}" for name, value in row.items() if name in ("train_loss", "val_loss"))
    best = ", best so far" if is_best else ""
    return f"epoch {row['epoch']}/{num_epochs}: {losses}, {row['images_per_second']} images/s{best}"
