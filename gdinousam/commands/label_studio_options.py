"""The options of ``gdinousam serve`` for Label Studio."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gdinousam.errors import InputError

if TYPE_CHECKING:
    from gdinousam.labelling.label_studio.settings import LabelStudioSettings

PREFIX = "label_studio_"


def add_label_studio_options(parser: argparse.ArgumentParser) -> None:
    """Add --label-studio-url and what goes with it."""
    group = parser.add_argument_group("Label Studio, which finds its backend at /label-studio")
    group.add_argument(
        "--label-studio-url", metavar="URL", help="its address, from which alone images of tasks are fetched"
    )
    group.add_argument(
        "--label-studio-token-file",
        type=Path,
        metavar="FILE",
        help="file with the access token of one of its users, else LABEL_STUDIO_API_KEY",
    )
    group.add_argument(
        "--label-studio-files", type=Path, metavar="FOLDER", help="its folder of local files, if it is on this machine"
    )
    group.add_argument(
        "--label-studio-runs", type=Path, metavar="FOLDER", help="folder that gets trainings on its annotations"
    )
    group.add_argument(
        "--label-studio-config",
        type=Path,
        metavar="FILE",
        help="config of these trainings (that of gdinousam train --small)",
    )


def label_studio_settings(options: argparse.Namespace) -> LabelStudioSettings:
    """The settings that the options give; InputError for what makes no sense."""
    from pydantic import ValidationError

    from gdinousam.labelling.label_studio.settings import TOKEN_VARIABLE, LabelStudioSettings
    from gdinousam.reading import reason_of
    from gdinousam.serving.settings import read_token

    path = options.label_studio_token_file
    token = read_token(path) if path is not None else os.environ.get(TOKEN_VARIABLE) or None
    names = set(LabelStudioSettings.model_fields) - {"token"}
    given = {name: getattr(options, PREFIX + name) for name in names}
    if token is not None and given["url"] is None and path is None:
        token = None  # the variable may be meant for other programs
    try:
        return LabelStudioSettings(**given, token=token)
    except ValidationError as error:  # which would repeat the token
        raise InputError(f"--label-studio: {reason_of(error).replace('Value error, ', '')}") from None
