"""Maps that were computed before: hundreds of forward passes each, and a kilobyte to keep.

A map is kept under a hash of all that it depends on, so that a change of weights, settings, sentence or image asks for
a new one, and a run that is repeated or interrupted, or another post-processing, does not.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gdinousam.files import replaced_file
from gdinousam.records import Image

logger = logging.getLogger(__name__)

_NAME = "map"


class KeptMaps:
    """The maps in a folder, which is made when the first one is kept. folder: ``None`` keeps nothing.

    origin: what all maps depend on, weights and settings, in values that JSON holds.
    """

    def __init__(self, folder: Path | None, origin: Mapping[str, Any]) -> None:
        self._folder = folder
        self._origin = json.dumps(origin, sort_keys=True)

    def get(self, image: Image, sentence: str, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The (G, G) float32 map of an image and a sentence, on the CPU: the one that is kept, or a new one.

        A file that cannot be read is replaced. Where the folder cannot be written that is logged.
        """
        if self._folder is None:
            return compute().cpu()
        path = self._folder / f"{self._key(image, sentence)}.safetensors"
        try:
            return load_file(path)[_NAME]
        except (OSError, SafetensorError, KeyError):
            pass
        found = compute().cpu().contiguous()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with replaced_file(path, durable=False) as new:
                save_file({_NAME: found}, new)
        except (OSError, SafetensorError) as error:
            logger.warning("%s: the map could not be kept (%s); it is computed again next time", path, error)
        return found

    def _key(self, image: Image, sentence: str) -> str:
        digest = hashlib.sha256(json.dumps([self._origin, sentence, image.shape]).encode())
        digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()
