"""The optional libraries, of clinics' formats, annotation tools and servers."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from gdinousam.errors import InputError


class MissingLibraryError(InputError):
    """An optional library is not installed, so that nothing of its kind works."""


def library(name: str, extra: str = "medical") -> ModuleType:
    """A module of an optional library; ``MissingLibraryError`` that says how to install it where it is missing.

    extra: of the package, that brings the library.
    """
    try:
        return import_module(name)
    except ImportError as error:
        missing = name.partition(".")[0]
        raise MissingLibraryError(
            f'{missing}, which this needs, is not installed; run pip install "gdinousam[{extra}]"'
        ) from error
