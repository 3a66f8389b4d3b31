"""The optional libraries that read medical formats."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from gdinousam.errors import InputError


class MissingLibraryError(InputError):
    """An optional library is not installed, so that none of the files of its format can be read."""


def library(name: str) -> ModuleType:
    """A module of an optional library; ``MissingLibraryError`` that says how to install it where it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        missing = name.partition(".")[0]
        raise MissingLibraryError(
            f'{missing}, which reads this format, is not installed; run pip install "gdinousam[medical]"'
        ) from error
