"""What a command prints never ends its work: letters that the terminal does not know, and a reader that went away."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


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
