"""The border to the libraries that read files: whatever they raise on damaged bytes becomes one line.

Which errors a decoder raises is nothing that it promises. Pillow, pydicom, nibabel, PyYAML, peft and Python's own
readers of archives answer damaged bytes with nearly every class there is, and their next versions with others, so no
class is listed here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gdinousam.errors import InputError

_LONGEST_REASON = 300  # characters


@contextmanager
def reading(
    path: Path,
    what: str,
    remedy: str = "replace the file",
    missing: str = "no such file; check the name and the folder",
) -> Iterator[None]:
    """Raise ``InputError`` naming the file for whatever the block raises; its own ``InputError`` is passed on.

    what: the file should be, such as "an image". remedy: for a damaged file. missing: what is wrong, and what to do,
    where there is no such file.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, FileNotFoundError) and not path.exists():
            raise InputError(f"{path}: {missing}") from error
        if isinstance(error, OSError) and error.errno is not None:  # the system's answer, the file may be whole
            remedy = "check its rights and its disk"
        raise unreadable(path, what, reason_of(error), remedy) from error


def unreadable(path: Path, what: str, reason: str, remedy: str = "replace the file") -> InputError:
    """What to raise for a file that is not what it should be; see ``reading``."""
    return InputError(f"{path}: not readable as {what} ({reason}); {remedy}")


def reason_of(error: BaseException) -> str:
    """What an error says, in one line of printable characters; its class where it says nothing."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    pydantic = sys.modules.get("pydantic")  # not imported, because gdinousam.client runs without it
    if pydantic is not None and isinstance(error, pydantic.ValidationError):
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        return one_line(f"{place}: {problem['msg']}" if place else problem["msg"])
    text = one_line(str(error)) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} ..."


def one_line(text: str) -> str:
    """The text with its lines joined by spaces, and what cannot be shown as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in " ".join(text.split()))


def read_json(path: Path, remedy: str = "restore the file", missing: str | None = None) -> Any:
    """The content of a JSON file, in UTF-8, UTF-16 or UTF-32.

    remedy: for a file that is damaged. missing: what to do where there is none, if something else. Raises
    ``InputError`` naming the file for one that is missing or no JSON.
    """
    with reading(path, "JSON", remedy, f"no such file; {missing or remedy}"):
        return json.loads(path.read_bytes())


def read_json_object(path: Path, remedy: str = "restore the file", missing: str | None = None) -> dict[str, Any]:
    """The object that a JSON file holds; ``InputError`` as for ``read_json``, and where it holds anything else."""
    content = read_json(path, remedy, missing)
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object; {remedy}")
    return content
