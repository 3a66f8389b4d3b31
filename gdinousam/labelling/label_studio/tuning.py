"""Trains on what was annotated: an export becomes a folder in the CSV layout, and ``gdinousam train`` runs on it.

The training is a process of its own, so that it neither stops the server nor dies with one request. One runs at a time.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import PIL.Image

from gdinousam.data.contract.layout import csv_name
from gdinousam.data.sources.annotations.importing import import_annotations
from gdinousam.data.sources.annotations.label_studio import GROUP_KEYS, LABELS, is_label_studio
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.coco.writing import ImportOptions
from gdinousam.errors import InputError
from gdinousam.files import write_text
from gdinousam.labelling.label_studio.controls import phrases_of, read_controls
from gdinousam.labelling.label_studio.images import TaskImages
from gdinousam.reading import reason_of

State = Literal["idle", "preparing", "training", "done", "failed", "stopped"]
SHARES = (0.8, 0.2, 0.0)  # of the groups, for training and validation
DATASET = "label-studio"
LOG_LINES = 40  # that are told
STOP_SECONDS = 15.0  # for a training to keep its state when the server stops
_FORMATS = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif"}


class BusyError(InputError):
    """A training runs already."""


@dataclass(frozen=True)
class Tuning:
    """How far a training is. run: name of its folder, ``None`` before the first one. message: one line on what came of
    it. log: the last lines of what it said."""

    state: State
    run: str | None = None
    message: str = ""
    log: tuple[str, ...] = ()


class Tuner:
    """Starts trainings and knows about the last one.

    folder: gets a folder for each. config: of the training; ``None``: the example config of the small model.
    """

    def __init__(self, folder: Path, config: Path | None, images: TaskImages) -> None:
        self._folder, self._config, self._images = folder, config, images
        self._lock = threading.Lock()
        self._tuning = Tuning("idle")
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def start(self, export: Callable[[], tuple[Any, str]]) -> str:
        """Begin a training, and return its name at once.

        export: gives the tasks with their annotations, as Label Studio's JSON export has them, and the labelling
        config; it is called in the background, as everything else that takes a while. Raises BusyError where a training
        runs, and InputError where its folder cannot be made.
        """
        with self._lock:
            if self._is_closed or self._tuning.state in ("preparing", "training"):
                raise BusyError(f"{self._tuning.run} is still {self._tuning.state}; wait for it")
            run = _new_folder(self._folder)
            self._tuning = Tuning("preparing", run.name)
            self._thread = threading.Thread(target=self._work, args=(run, export), name="tuning", daemon=True)
            self._thread.start()
        return run.name

    def status(self) -> Tuning:
        """The last training, with the end of its log."""
        with self._lock:
            tuning = self._tuning
        if tuning.run is None:
            return tuning
        return Tuning(tuning.state, tuning.run, tuning.message, _last_lines(self._folder / tuning.run / "log.txt"))

    def close(self) -> None:
        """Stop a training that runs, which keeps what it has, and return when it has ended."""
        with self._lock:
            self._is_closed = True
            process, thread = self._process, self._thread
        if process is not None:
            process.terminate()  # not Ctrl-C, which a server that a script starts in the background leaves unheard
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        if thread is not None:
            thread.join(STOP_SECONDS)

    def _work(self, run: Path, export: Callable[[], tuple[Any, str]]) -> None:
        try:
            tasks, config = export()
            data = write_data(run, tasks, config, self._images)
            code = self._train(run, data)
        except Exception as error:
            self._end("failed", reason_of(error))
            return
        lines = _last_lines(run / "log.txt")
        if code == 0:
            self._end("done", f"serve it with gdinousam serve --model {run.name}/run, named by its folder")
        elif self._is_closed:
            self._end("stopped", "the server was stopped; gdinousam train --resume goes on with it")
        else:
            said = next((line for line in reversed(lines) if line.startswith("error:")), "")
            self._end("failed", said or f"the training ended with exit code {code}; see its log")

    def _train(self, run: Path, data: Path) -> int:
        """Train, and return the exit code."""
        with (run / "log.txt").open("wb") as log:
            with self._lock:
                if self._is_closed:
                    return 1
                self._tuning = Tuning("training", run.name)
                # in a session of its own: Ctrl-C at the server's terminal would reach it a second time
                self._process = subprocess.Popen(
                    _command(self._config, run, data),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            return self._process.wait()

    def _end(self, state: State, message: str) -> None:
        with self._lock:
            self._tuning = Tuning(state, self._tuning.run, message)
            self._process = None


def write_data(run: Path, tasks: object, config: str, images: TaskImages) -> Path:
    """Write the annotated tasks of an export as a folder in the CSV layout, ``data``, and return it.

    run: an empty folder, which gets the images and annotations too. tasks: as in Label Studio's JSON export; those
    without an annotation are left out, of several annotations of one the last counts. config: the labelling config,
    which says what its labels are asked as. Groups (patients), where the tasks tell them, are kept apart in training
    and validation. Raises InputError for what cannot be read, and where nothing is annotated.
    """
    if not is_label_studio(tasks):
        raise InputError("the export is no list of tasks with data and annotations; export as JSON")
    assert isinstance(tasks, list)
    controls = read_controls(config)
    phrase_of = phrases_of(controls)
    (run / "images").mkdir()
    written = []
    for number, task in enumerate(tasks, start=1):
        if any(not one.get("was_cancelled") for one in task["annotations"] if isinstance(one, Mapping)):
            content = images.read(task, controls[0].image_key)
            path = run / "images" / f"task-{number}{_suffix(content, task)}"  # an id may be anything
            path.write_bytes(content)
            written.append(_as_asked(task, path.name, phrase_of))
    if not written:
        raise InputError("no task has an annotation that was submitted; label and submit some")
    source = run / "annotations.json"
    write_text(source, json.dumps(written))
    import_annotations(
        source,
        run / "data",
        ImportOptions(SHARES, DATASET, absent=tuple(dict.fromkeys(phrase_of.values()))),
        ReadOptions(images=run / "images", several="last"),
        "labelstudio",
        progress=False,
    )
    return run / "data"


def _as_asked(task: Mapping[str, Any], image: str, phrase_of: Mapping[str, str]) -> dict[str, Any]:
    """A task with its image's new name, its group, and phrases in the place of labels."""
    kept = {key: value for key, value in task["data"].items() if key in GROUP_KEYS}
    annotations = [
        {**one, "result": [_renamed(result, phrase_of) for result in one.get("result") or []]}
        for one in task["annotations"]
        if isinstance(one, Mapping)
    ]
    return {"id": task.get("id"), "data": {**kept, "image": image}, "annotations": annotations}


def _renamed(result: Any, phrase_of: Mapping[str, str]) -> Any:
    value = result.get("value") if isinstance(result, Mapping) else None
    if not isinstance(value, Mapping):
        return result
    names = {
        key: [phrase_of.get(one, one) if isinstance(one, str) else one for one in found]
        for key, found in value.items()
        if key.endswith(LABELS) and isinstance(found, list)
    }
    return {**result, "value": {**value, **names}}


def _suffix(content: bytes, task: Mapping[str, Any]) -> str:
    try:
        with PIL.Image.open(io.BytesIO(content), formats=tuple(_FORMATS)) as picture:
            return _FORMATS[str(picture.format)]
    except Exception as error:  # Pillow's decoders raise nearly everything
        raise InputError(f"task {task.get('id', '?')}: its image is none of {', '.join(_FORMATS)}") from error


def _new_folder(folder: Path) -> Path:
    """The first folder ``label-studio-N`` that is not there yet, made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            run = folder / f"{DATASET}-{number}"
            try:
                run.mkdir()
                return run
            except FileExistsError:
                number += 1
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); name another folder for the runs") from error


def _command(config: Path | None, run: Path, data: Path) -> Sequence[str]:
    """What trains, with the program that runs this one."""
    settings = {"training.output_dir": str(run / "run")}
    without = [] if (data / csv_name("val")).is_file() else ["--set", "data.val_dir=null", "--set", "data.val_ann=null"]
    chosen = ["--small"] if config is None else ["--config", str(config)]
    named = [part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    return [sys.executable, "-m", "gdinousam", "train", *chosen, "--data", str(data), *named, *without]


def _last_lines(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_bytes()
    except OSError:
        return ()
    return tuple(text.decode("utf-8", errors="replace").splitlines()[-LOG_LINES:])
