"""What lies around a command: the environment, the streams it prints to, and what of an error a user should read."""

from __future__ import annotations

import errno
import getpass
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def complete_environment() -> None:
    """Set what is missing or would end an import: the backend for figures, the name and home of the user."""
    # figures are files, and the backend that a notebook hands down may not be installed beside us
    os.environ["MPLBACKEND"] = "agg"
    # a container may run under a number that has no account (docker run --user 1234)
    try:
        getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        os.environ["USER"] = _unnamed_user()
    try:
        Path.home()
    except RuntimeError:
        home = Path(tempfile.gettempdir(), _unnamed_user())
        home.mkdir(mode=0o700, exist_ok=True)
        os.environ["HOME"] = str(home)


def _unnamed_user() -> str:
    return f"user-{os.getuid()}"


_REMEDIES = {
    errno.ENOSPC: "free some room there, or name another folder",
    errno.EDQUOT: "free some room there, or name another folder",
    errno.EROFS: "name a folder that can be written",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EMFILE: "allow more open files (ulimit -n), or set data.num_workers=0",
    errno.ENOMEM: "close other programs, or lower data.batch_size and data.num_workers",
}
# safetensors (Rust) and torch.save write files of their own; both keep the system's answer in the text at most
_RUST_ERROR = re.compile(r"\(os error (\d+)\)")
_TORCH_WRITING = ("PytorchStreamWriter failed", "inline_container.cc")


def fault_line(error: Exception) -> str | None:
    """What went wrong outside of the program, in one line; ``None`` where the error is none of the system's."""
    if isinstance(error, OSError):
        return _os_line(error)
    if isinstance(error, UnicodeEncodeError):
        return (
            f"{error.object!a} holds bytes that are not UTF-8 text, so it cannot be written into a text file; rename "
            "the file, or write the text as UTF-8"
        )
    text = " ".join(str(error).split())
    if (numbered := _RUST_ERROR.search(text)) and type(error).__name__ == "SafetensorError":
        number = int(numbered[1])
        return _with_remedy(f"weights cannot be written or read: {os.strerror(number)}", number)
    if isinstance(error, RuntimeError) and any(sign in text for sign in _TORCH_WRITING):
        return f"a file of the run cannot be written ({text[:120]}); check the room and rights of its folder"
    return None


def _os_line(error: OSError) -> str:
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else None
    return _with_remedy(f"{name}: {reason}" if name else reason, error.errno)


def _with_remedy(line: str, number: int | None) -> str:
    remedy = _REMEDIES.get(number or 0)
    return f"{line}; {remedy}" if remedy else line


def make_streams_lasting() -> None:
    """Let stdout and stderr show every text, and outlive whoever reads them (``| head``).

    Letters that the encoding lacks are written as ``\\u4e73``. What is printed after a reader went away is thrown
    away. A stream that was closed from the start (``2>&-``) becomes one that throws all away.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8"))
        elif stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _lasting(stream))
        elif isinstance(stream, io.TextIOWrapper):  # of a program that calls us
            stream.reconfigure(errors="backslashreplace")


def _lasting(stream: TextIO) -> TextIO:
    stream.flush()
    raw = _LastingFile(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=bool(stream.line_buffering),
    )


class _LastingFile(io.FileIO):
    """A file that becomes the null device at the first error, which is raised unless the reader went away."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            if not isinstance(error, BrokenPipeError):
                raise
            return memoryview(data).nbytes
