"""Clips that are being segmented: one after the other, a frame at a time, so that pictures need not wait for them."""

from __future__ import annotations

import logging
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gdinousam.errors import InputError
from gdinousam.files import write_text
from gdinousam.prediction.clips.answers import FrameAnswer
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.sources import Clip
from gdinousam.prediction.writing.clips import SHOWN_FPS, frame_overlay, written_video
from gdinousam.reading import one_line
from gdinousam.serving.answers import ClipResult, ClipState, Frame, MaskForm, frame, origin
from gdinousam.serving.batching import Worker
from gdinousam.serving.refusals import Refusal
from gdinousam.serving.settings import ServeSettings

logger = logging.getLogger(__name__)

RESULT, VIDEO = "result.json", "overlay.mp4"


@dataclass(frozen=True)
class ClipQuestion:
    """What is asked of a clip. source: the client's name for its file. made_by: what will have made the answers."""

    clip: Clip
    phrases: tuple[str, ...]
    masks: MaskForm
    source: str
    made_by: MadeBy


@dataclass(eq=False)
class ClipJob:
    """One clip. folder: holds what was sent and what was found; it goes when the job is forgotten."""

    folder: Path
    question: ClipQuestion
    answers: Iterator[FrameAnswer]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: Literal["waiting", "running", "done", "failed", "cancelled"] = "waiting"
    frames_done: int = 0
    error: str | None = None
    ended: float | None = None

    def shown(self) -> ClipState:
        """How far it is."""
        return ClipState(
            state=self.state, frames_done=self.frames_done, num_frames=len(self.question.clip), error=self.error
        )

    def end(self, state: Literal["done", "failed", "cancelled"], error: str | None = None) -> None:
        """Note how it ended, unless it was cancelled before."""
        if self.state != "cancelled":
            self.state, self.error, self.ended = state, error, time.monotonic()


class ClipJobs:
    """All clips of a server, those that wait or run and those whose results are kept. ``close`` forgets them all."""

    def __init__(self, worker: Worker, settings: ServeSettings) -> None:
        self._worker, self._settings = worker, settings
        self._jobs: dict[str, ClipJob] = {}
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="gdinousam-clips-"))
        self._runner = ThreadPoolExecutor(1, thread_name_prefix="clips")

    @property
    def num_open(self) -> int:
        """How many wait or run."""
        return sum(job.ended is None for job in list(self._jobs.values()))

    def require_place(self) -> None:
        """Raise Refusal (429) where as many clips wait or run as may."""
        if self.num_open >= self._settings.max_clips:
            raise Refusal(429, "busy", f"{self._settings.max_clips} clips are waiting; send it again later", 10)

    def new_folder(self) -> Path:
        """An empty folder for what a client sends; ``add`` takes it over, else ``drop_folder`` it."""
        return Path(tempfile.mkdtemp(dir=self._folder))

    def drop_folder(self, folder: Path) -> None:
        """Remove a folder of ``new_folder``."""
        shutil.rmtree(folder, ignore_errors=True)

    def add(self, folder: Path, question: ClipQuestion, answers: Iterator[FrameAnswer]) -> ClipJob:
        """Take in a clip. answers: its frames as they will be found; asked for in the thread of the models only.

        Raises Refusal as ``require_place``.
        """
        job = ClipJob(folder, question, answers)
        with self._lock:
            self.require_place()
            self._jobs[job.id] = job
        self._runner.submit(self._run, job)
        return job

    def of(self, number: str) -> ClipJob:
        """The job of an id. Raises Refusal (404) where there is none, or no longer."""
        self.forget_old()
        job = self._jobs.get(number)
        if job is None:
            raise Refusal(404, "no_clip", "there is no clip of this id; its result may have been kept long enough")
        return job

    def done(self, number: str) -> ClipJob:
        """The same, of one that is done. Raises Refusal (409) for any other."""
        job = self.of(number)
        if job.state != "done":
            raise Refusal(409, "not_done", f"the clip is {job.state}; ask again when it is done")
        return job

    def forget(self, number: str) -> ClipJob:
        """Stop a clip and remove all of it. Raises Refusal (404) as ``of``."""
        job = self.of(number)
        with self._lock:
            is_running = job.state == "running"
            job.end("cancelled")
            self._jobs.pop(number, None)
        if not is_running:  # else its thread removes the folder, in which it writes
            self.drop_folder(job.folder)
        return job

    def forget_old(self) -> None:
        """Remove results that were kept long enough, and the oldest ones beyond the number that is kept."""
        ended = [(job.ended, job) for job in list(self._jobs.values()) if job.ended is not None]
        ended.sort(key=lambda one: one[0])
        oldest = time.monotonic() - 60 * self._settings.keep_minutes
        num_over = len(ended) - self._settings.kept_clips
        for place, (end, job) in enumerate(ended):
            if place < num_over or end < oldest:
                self._jobs.pop(job.id, None)
                self.drop_folder(job.folder)

    def close(self) -> None:
        """Stop all clips, remove everything. The worker must run until this has returned."""
        for job in list(self._jobs.values()):
            job.end("cancelled")
        self._runner.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, job: ClipJob) -> None:
        with self._lock:
            if job.state == "cancelled":
                return
            job.state = "running"
        failure = None
        try:
            self._write(job)
        except InputError as error:
            failure = one_line(str(error).replace(f"{job.folder}/", ""))
        except CancelledError:  # the server is being stopped
            job.end("cancelled")
        except Exception as error:
            logger.error("a clip failed: %s", type(error).__name__)
            failure = "the server failed on this clip; its log says how"
        job.answers = iter(())  # with what the models remember of the clip
        with self._lock:
            job.end("failed" if failure else "done", failure)
        if job.state == "cancelled":
            self.drop_folder(job.folder)

    def _write(self, job: ClipJob) -> None:
        """Write the video while the frames come, then the result."""
        question = job.question
        clip = question.clip
        frames: list[Frame] = []
        with written_video(job.folder / VIDEO, clip.fps or SHOWN_FPS) as show:
            while job.state != "cancelled":
                answer = self._worker.submit(lambda asked: [next(one, None) for one in asked], job.answers).result()
                if answer is None:
                    break
                show(frame_overlay(answer))
                frames.append(frame(answer, clip.spacing_mm, question.masks))
                job.frames_done += 1
        result = ClipResult(
            source=question.source,
            size_hw=list(clip.size_hw),
            spacing_mm=None if clip.spacing_mm is None else list(clip.spacing_mm),
            fps=clip.fps,
            phrases=list(question.phrases),
            notes=list(clip.notes),
            made_by=origin(question.made_by),
            frames=frames,
        )
        write_text(job.folder / RESULT, result.model_dump_json())
