"""Which weights a hub id means here: those that were downloaded, those in the hub's cache, or those on the hub.

One rule for every command. A connection is tried once, for a few seconds; without one the hub's client would try every
file again and again.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from pathlib import Path

import transformers.utils.hub
from huggingface_hub import constants, get_session, try_to_load_from_cache, utils

from gdinousam.errors import InputError
from gdinousam.models.weights.checksums import SUMS
from gdinousam.models.weights.registry import WEIGHTS
from gdinousam.settings import OWN_MODEL_NAMES, WEIGHT_SUFFIXES

logger = logging.getLogger(__name__)

BEST = "best"  # in the folder of a training run
DOWNLOADS = Path("weights")  # where the download command writes, from the working folder
_MARKS = ("config.json", "adapter_config.json")  # of a model, of an adapter
_SECONDS = 4.0  # to wait for the hub's first answer
_SAID: set[str] = set()
_HUB_ID = r"[\w][\w.-]*/[\w.-]+"


def is_hub_id(name: str | Path) -> bool:
    """Whether a name is OWNER/NAME, nothing on disk, and does not end as a weight file does."""
    if str(name) in OWN_MODEL_NAMES or Path(name).suffix in WEIGHT_SUFFIXES or Path(name).exists():
        return False
    return re.fullmatch(_HUB_ID, str(name)) is not None


def chosen(name: str | Path) -> str | Path:
    """The name to load by: of a hub id that was downloaded its folder in ``./weights``, of a training run
    its best weights, else what was given.

    The choice is logged once for each hub id. Raises InputError for a hub id that is nowhere here while the hub cannot
    be reached.
    """
    if not is_hub_id(name):
        return best_of_run(name)
    folder_name, _, in_registry = str(name).rpartition("/")
    if Path(folder_name) == DOWNLOADS and in_registry in WEIGHTS:
        raise InputError(f"{name}: not downloaded yet; fetch it by 'gdinousam download {in_registry}', or use --small")
    folder = downloaded(name)
    if folder is not None:
        _say(f"{name}: the download in {folder}")
        return folder
    if is_reachable():
        _say(f"{name}: from the hub, or its cache where that is up to date")
        return name
    if not _is_cached(str(name)):
        known = _name_in_registry(str(name))
        fetch = f"fetch them by 'gdinousam download {known}' where there is a connection" if known else "download them"
        raise InputError(
            f"{name}: these weights are not here and the hub cannot be reached; {fetch} and keep them in "
            f"./{DOWNLOADS}, or use the bundled small model: --small, or small as the name"
        )
    _say(f"{name}: from the hub's cache; the hub cannot be reached")
    return name


def best_of_run(name: str | Path) -> str | Path:
    """For the folder of a training run its best weights, which is said; any other name as it is."""
    folder = Path(name)
    if str(name) in OWN_MODEL_NAMES or not (folder / BEST).is_dir() or any((folder / mark).exists() for mark in _MARKS):
        return name
    _say(f"{name}: a training run, of which the best weights are taken, {BEST}")
    return folder / BEST


def downloaded(name: str | Path) -> Path | None:
    """The folder where the download command left the weights of a hub id; ``None`` where it did not, or not all."""
    known = _name_in_registry(str(name))
    folder = DOWNLOADS / known if known else None
    return folder if folder is not None and (folder / SUMS).is_file() else None


def is_here(name: str | Path) -> bool:
    """Whether nothing has to be fetched to load this name: a hub id was downloaded or is in the hub's cache."""
    return not is_hub_id(name) or downloaded(name) is not None or _is_cached(str(name))


@cache
def is_reachable() -> bool:
    """Whether the hub answers; asked once. Where it does not, its clients are told to look into their caches only."""
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=_SECONDS)
    except Exception as error:  # of whichever client huggingface_hub uses
        logger.info("the hub (%s) cannot be reached: %s", constants.ENDPOINT, type(error).__name__)
        _go_offline()
        return False
    return True


def _go_offline() -> None:
    """Do what HF_HUB_OFFLINE would have done, had it been set before the libraries were loaded."""
    constants.HF_HUB_OFFLINE = True
    for name in ("reset_sessions", "close_session"):  # of version 0 and 1: sessions that are open still ask
        getattr(utils, name, lambda: None)()
    if hasattr(transformers.utils.hub, "_is_offline_mode"):  # transformers 4 keeps a copy
        transformers.utils.hub._is_offline_mode = True


def _name_in_registry(hub_id: str) -> str | None:
    of_hub_id = {known.hub.repo_id: name for name, known in WEIGHTS.items() if known.hub and not known.official}
    return of_hub_id.get(hub_id)


def _is_cached(hub_id: str) -> bool:
    return any(isinstance(try_to_load_from_cache(hub_id, mark), str) for mark in _MARKS)


def _say(line: str) -> None:
    if line not in _SAID:
        _SAID.add(line)
        logger.info("%s", line)
