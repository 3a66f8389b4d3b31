"""What the operating system answers, as one line with what to do, also where a library wrapped it."""

from __future__ import annotations

import errno
import os
import re

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
            f"{error.object!a} holds bytes that are no UTF-8 text, so it cannot be written into a text file; rename "
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
