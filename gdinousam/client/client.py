"""The public class: what ``Segmenter`` does here, done by a server."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image

from gdinousam.client.answers import ClipFrame, Prediction, clip_frame, prediction
from gdinousam.client.connection import Connection, ServerError
from gdinousam.errors import InputError
from gdinousam.inputs import as_images, as_texts
from gdinousam.records import Hint, Image

Given: TypeAlias = str | Path | bytes | BinaryIO | PIL.Image.Image | npt.NDArray[Any]
_LOOK_EVERY_S = 0.2  # at a clip


class Client:
    """Asks a server.

    url: where it listens. token: what it was given by ``--token-file``, ``None`` where it has none. timeout_s: seconds
    for one answer. patience_s: how long to wait for a server that is busy. May stand in a ``with`` statement.

    >>> from gdinousam.client import Client
    >>> client = Client("http://127.0.0.1:8000")
    >>> prediction = client.segment("scan.png", ["thyroid nodule"])
    >>> [one.unit for one in prediction.measurements()]
    ['pixels']
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        token: str | None = None,
        *,
        timeout_s: float = 180.0,
        patience_s: float = 60.0,
    ) -> None:
        self._connection = Connection(url, token, timeout_s, patience_s)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def models(self) -> list[dict[str, Any]]:
        """The server's models, the default first: ``name``, ``label``, ``phrases``, ``thresholds``, ``weights`` and
        ``corrects``. Errors as for ``segment``.
        """
        models: list[dict[str, Any]] = self._connection.ask("GET", "/v1/models")["models"]
        return models

    def segment(
        self,
        image: Given,
        phrases: str | Sequence[str],
        *,
        model: str | None = None,
        threshold: float | None = None,
        max_detections: int | None = None,
    ) -> Prediction:
        """Find and segment phrases in one image, as ``Segmenter.predict`` does.

        image: a path, also of a DICOM file; the bytes of a file, or one that is open for reading them; a PIL image; an
        array (H, W, 3) or (H, W), RGB or grey, whole numbers in [0, 255] or floats in [0, 1]. phrases: one or several.
        model: a name of ``models``; ``None``: the first. threshold, max_detections: see ``Segmenter.predict``.

        Returns a Prediction; without detections where nothing was found. Raises InputError with the server's words for
        what it does not take, and where there is no server; ServerError where it fails or stays busy.
        """
        row = [phrases] if isinstance(phrases, str) else list(as_texts(phrases, "phrases"))
        fields = {"phrases": row, "model": model, "threshold": threshold, "max_detections": max_detections}
        return self._of_image("/v1/segment", image, fields)

    def correct(self, image: Given, hints: Sequence[Hint], *, model: str | None = None) -> Prediction:
        """Draw the masks of objects that somebody shows, as ``Segmenter.correct`` does; the rest as for ``segment``."""
        return self._of_image("/v1/correct", image, {"hints": json.dumps(list(map(_sent, hints))), "model": model})

    def segment_clip(
        self,
        clip: str | Path | bytes | BinaryIO,
        phrases: str | Sequence[str],
        *,
        model: str | None = None,
        threshold: float | None = None,
        max_detections: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[ClipFrame]:
        """Find phrases in a clip or volume and follow them, as ``Segmenter.predict_clip`` does.

        clip: a path, the bytes of a file, or one that is open for reading them. progress: is told how many frames of
        how many are done. Returns an answer for each frame, in order, when all are known. Errors as for ``segment``;
        the server forgets the clip in every case.
        """
        row = [phrases] if isinstance(phrases, str) else list(as_texts(phrases, "phrases"))
        fields = {"phrases": row, "model": model, "threshold": threshold, "max_detections": max_detections}
        sent = {"clip": _file(clip)}
        number = self._connection.ask("POST", "/v1/clips", files=sent, data=_form(fields))["id"]
        place = f"/v1/clips/{number}"
        try:
            self._wait(place, progress)
            frames = self._connection.ask("GET", f"{place}/result")["frames"]
            return [clip_frame(one) for one in frames]
        finally:
            with suppress(InputError, ServerError):  # gone already, or with the server
                self._connection.ask("DELETE", place)

    def _wait(self, place: str, progress: Callable[[int, int], None] | None) -> None:
        """Return when a clip is done."""
        while True:
            state = self._connection.ask("GET", place)
            if progress is not None:
                progress(state["frames_done"], state["num_frames"])
            if state["state"] == "failed":
                raise InputError(state["error"])
            if state["state"] == "cancelled":
                raise ServerError("the server was stopped before the clip was done")
            if state["state"] == "done":
                return
            time.sleep(_LOOK_EVERY_S)

    def _of_image(self, path: str, image: Given, fields: Mapping[str, Any]) -> Prediction:
        pixels = _pixels(image)
        file = ("image.png", _png(pixels)) if pixels is not None else _file(image)  # type: ignore[arg-type]
        content = self._connection.ask("POST", path, files={"image": file}, data=_form(fields))
        return prediction(content, pixels)


def _sent(hint: Hint) -> dict[str, Any]:
    """The fields of a hint that the API knows."""
    return {name: value for name, value in asdict(hint).items() if name != "map_hw"}


def _form(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are given, and masks in the form that Pillow reads."""
    return {name: value for name, value in fields.items() if value is not None} | {"masks": "png"}


def _pixels(image: Given) -> Image | None:
    """What is given as pixels, (H, W, 3) uint8; ``None`` for a file."""
    if isinstance(image, PIL.Image.Image | np.ndarray):
        return as_images([image])[0]
    return None


def _png(pixels: Image) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, format="PNG", compress_level=1)
    return file.getvalue()


def _file(given: str | Path | bytes | BinaryIO) -> tuple[str, bytes]:
    """Name and content of a file."""
    if isinstance(given, bytes):
        return "file", given
    if isinstance(given, str | Path):
        path = Path(given)
        try:
            return path.name, path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if hasattr(given, "read"):
        content = given.read()
        if not isinstance(content, bytes):
            raise InputError("the file is open as text; open it with mode 'rb'")
        name = getattr(given, "name", None)
        return Path(name).name if isinstance(name, str) else "file", content
    raise InputError(f"an image or a file is wanted, {type(given).__name__} was given")
