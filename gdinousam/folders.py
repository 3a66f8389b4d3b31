"""Output folders: new for every run, never half written, one program at a time."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from gdinousam.errors import InputError
from gdinousam.files import NEW_SUFFIX, sync_folder, sync_tree
from gdinousam.locks import is_lock_file, locked

CONFIG_COPY = "config.yaml"
_READ_AND_WRITE = 0o666  # bits of a file's mode, for its owner, group and others
_BEING_REMOVED = ".removed"  # the config of a run whose other files are being removed


@contextmanager
def run_folder(folder: Path, key: str, overwrite: bool = False, resume: bool = False) -> Iterator[Path]:
    """Yield the folder of a run, made, emptied or found again, and keep other programs out until the block ends.

    key: the setting that names it, for messages. overwrite: replace an earlier run there; only a folder that holds a
    run of ours is ever emptied. resume: leave everything as it is; where there is no folder, none is made. The first
    file that the block writes must be ``CONFIG_COPY``, by which a run of ours is known. Raises InputError where the
    folder holds something, cannot be written, or is in use by another program.
    """
    if not resume:
        _require_free(folder, key, overwrite)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".writable{NEW_SUFFIX}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(f"{key}: cannot write to {folder} ({error.strerror}); name another folder") from error
    with locked(folder, "run", f"{key}: {folder}") if folder.is_dir() else nullcontext():
        if not resume:
            _require_free(folder, key, overwrite)
            _empty(folder)
        yield folder


def _require_free(folder: Path, key: str, overwrite: bool) -> None:
    if not folder.exists():
        return
    if folder.is_dir() and ((folder / _BEING_REMOVED).exists() or all(map(_is_of_no_run, folder.iterdir()))):
        return
    if not overwrite:
        raise InputError(f"{key}: {folder} holds an earlier run; name another folder or add --overwrite")
    if not (folder / CONFIG_COPY).is_file():
        raise InputError(f"{key}: {folder} is not a run of ours (no {CONFIG_COPY} in it); name another folder")


def _is_of_no_run(path: Path) -> bool:
    """A lock, or what a program that was killed had not put in its place yet."""
    return is_lock_file(path) or (path.name.startswith(".") and path.name.endswith(NEW_SUFFIX))


def _empty(folder: Path) -> None:
    """Remove everything; a kill in between leaves a folder that is known to be on its way out."""
    removed = folder / _BEING_REMOVED
    if (folder / CONFIG_COPY).is_file():
        (folder / CONFIG_COPY).replace(removed)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != removed and not is_lock_file(path):
            path.unlink()
    removed.unlink(missing_ok=True)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it takes the place of ``folder`` at the end, or vanishes on an error.

    Raises InputError where another program is about to replace the same folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("new", "old"))
    with locked(folder.parent, folder.name, str(folder)):
        _restore(folder, old)
        try:
            yield _emptied(new)
            _swap(new, folder, old)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def begin_replacement(folder: Path) -> Path:
    """Make and return the empty folder that ``finish_replacement`` puts in the place of ``folder``.

    For folders inside a run: what is called ``NAME.new`` and ``NAME.old`` beside them is ours.
    """
    return _emptied(_beside(folder, "new"))


def finish_replacement(folder: Path) -> None:
    """Put the new content in place. Between the two renames the earlier content is what ``surviving_folder`` finds."""
    _restore(folder, _beside(folder, "old"))
    _swap(_beside(folder, "new"), folder, _beside(folder, "old"))


def surviving_folder(folder: Path) -> Path:
    """The folder, or its earlier content where the program was killed while replacing it."""
    old = _beside(folder, "old")
    return old if old.exists() and not folder.exists() else folder


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f"{folder.name}.{suffix}")


def _emptied(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _restore(folder: Path, old: Path) -> None:
    """Put back what a program had moved away when it was killed."""
    if old.exists() and not folder.exists():
        old.rename(folder)


def _let_read(folder: Path) -> None:
    """Let those read and write its files whom the umask allows to, as it allowed them the folder.

    safetensors (0.8) and what else writes by way of a temporary file leaves them to their owner alone.
    """
    allowed = folder.stat().st_mode & _READ_AND_WRITE
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode | allowed != mode:
                path.chmod(mode | allowed)


def _swap(new: Path, folder: Path, old: Path) -> None:
    """At every moment one of ``folder`` and ``old`` is there as a whole, if there was a folder."""
    _let_read(new)
    sync_tree(new)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)  # the folder is whole, so this is what is left of an earlier one
        folder.rename(old)
    new.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
