"""The image of a task: part of the task itself, a local file of Label Studio's, or at Label Studio's own address."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from gdinousam.data.sources.coco.file_names import LOCAL_FILE
from gdinousam.errors import InputError
from gdinousam.labelling.label_studio.host import LabelStudioHost
from gdinousam.labelling.label_studio.settings import LabelStudioSettings
from gdinousam.reading import reading

DATA = "data:"


class TaskImages:
    """Reads images of tasks. max_bytes: of one image."""

    def __init__(self, settings: LabelStudioSettings, host: LabelStudioHost, max_bytes: int) -> None:
        self._files, self._host, self._max_bytes = settings.files, host, max_bytes

    def read(self, task: Mapping[str, Any], key: str) -> bytes:
        """The file of a task's image, as it is. key: of the image in the task's data.

        Raises InputError, with one line that names the task, where it has none, for one that is too large or cannot be
        had, and for one that lies anywhere but in the task, in the folder of local files or at Label Studio's address.
        """
        data = task.get("data")
        address = data.get(key) if isinstance(data, Mapping) else None
        label = f"task {task.get('id', '?')}"
        if not isinstance(address, str) or not address:
            raise InputError(
                f"{label}: its data has no {key!r} with an image; correct the task or the labelling config"
            )
        try:
            return self._read(address)
        except InputError as error:
            raise InputError(f"{label}: {error}") from error

    def _read(self, address: str) -> bytes:
        if address[: len(DATA)].lower() == DATA:
            return self._of_data_url(address)
        before, mark, path = address.partition(LOCAL_FILE)
        if self._files is not None and mark and (not before or before.startswith("/")):
            return self._of_file(unquote(path.partition("&")[0]), self._files)
        return self._host.get(address, self._max_bytes)

    def _of_data_url(self, address: str) -> bytes:
        head, comma, content = address.partition(",")
        if not comma:
            raise InputError("the data URL of its image has no comma; write it again")
        try:
            read = base64.b64decode(content, validate=True) if head.endswith(";base64") else unquote_to_bytes(content)
        except ValueError as error:
            raise InputError("the data URL of its image is no base64 text; write it again") from error
        if len(read) > self._max_bytes:
            raise self._too_large("its image")
        return read

    def _of_file(self, name: str, folder: Path) -> bytes:
        path = _file_below(folder, name)
        if path is None:
            raise InputError(f"{name!r} is no file in the folder of local files; check it, or name the right folder")
        if path.stat().st_size > self._max_bytes:
            raise self._too_large(name)
        with reading(path, "an image"):
            return path.read_bytes()

    def _too_large(self, what: str) -> InputError:
        return InputError(f"{what} is larger than {self._max_bytes / 1e6:g} MB; make it smaller")


def _file_below(folder: Path, name: str) -> Path | None:
    """The file of this name, which may be in another folder below; ``None`` where there is none, or it is elsewhere."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):  # too long, links in a circle, a zero byte
        return None
