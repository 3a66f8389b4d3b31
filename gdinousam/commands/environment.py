"""What libraries ask the environment for as they are imported, where a notebook or container lacks it."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path


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
