"""The notes that travel beside weights: in their folder, or in the repository of their hub id, fetched as the weights.

transformers fetches what it knows of a repository, so that our own notes would stay behind: how images are sized or
prepared, which base an adapter has.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

from gdinousam.models.weights.hub import TRANSPORT_ERROR
from gdinousam.settings import OWN_MODEL_NAMES, WEIGHT_SUFFIXES

logger = logging.getLogger(__name__)

_HUB_ID = r"[\w][\w.-]*/[\w.-]+"


def is_hub_id(name: str | Path) -> bool:
    """Whether a name is OWNER/NAME, nothing on disk, and does not end as a weight file does."""
    if str(name) in OWN_MODEL_NAMES or Path(name).suffix in WEIGHT_SUFFIXES or Path(name).exists():
        return False
    return re.fullmatch(_HUB_ID, str(name)) is not None


def file_beside(name: str | Path, file: str) -> Path | None:
    """A file beside weights, ``None`` where there is none.

    name: a folder, a weight file, which is taken to have nothing beside it, or a hub id, of which the hub is asked, or
    the cache where there is no network. Where neither can tell that is logged.
    """
    if not is_hub_id(name):
        path = Path(name) / file
        return path if path.is_file() else None
    try:
        return Path(hf_hub_download(str(name), file))
    except LocalEntryNotFoundError:
        logger.info("%s: the hub cannot be asked and the cache does not hold %s; it is taken to be missing", name, file)
    except (EntryNotFoundError, HFValidationError):
        pass
    except (OSError, TRANSPORT_ERROR, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        logger.warning("%s: %s could not be fetched (%s); it is taken to be missing", name, file, reason[0])
    return None


def folder_with(name: str | Path, file: str, others: Iterable[str]) -> Path | None:
    """The folder of weights that are told by one file, with the other files beside it; ``None`` without that file.

    others: fetched too where the repository of a hub id has them, of the same commit.
    """
    found = file_beside(name, file)
    if found is None:
        return None
    if is_hub_id(name):
        for other in others:
            try:
                hf_hub_download(str(name), other, revision=found.parent.name)  # the cache calls it by its commit
            except EntryNotFoundError:
                continue
    return found.parent
