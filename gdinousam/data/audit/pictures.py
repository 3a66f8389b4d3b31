"""Reading every image of a folder once: its size, a hash of its pixels and what its look-alikes are found by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from gdinousam.data.audit.picture_windows import Thumbnail, thumbnail
from gdinousam.data.contract.check_files import MAX_THREADS
from gdinousam.data.images import read_image
from gdinousam.progress_bar import ProgressBar


class Picture(NamedTuple):
    """What is kept of a decoded image.

    num_pixels: height times width. pixel_hash: the same for two images of the same size and colours, whatever format
    they are stored in. thumbnail: (128, 128) uint8, grey.
    """

    num_pixels: int
    pixel_hash: bytes
    thumbnail: Thumbnail


def read_pictures(paths: Sequence[Path], progress: bool = True) -> list[Picture]:
    """Decode images in several threads, in the order given; no paths give an empty list.

    progress: a bar in terminals where it takes a while. Raises ``InputError`` naming the first that does not decode.
    """
    bar = ProgressBar(len(paths), "reading images", is_shown=progress)
    pictures = []
    with bar, ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        try:
            for picture in pool.map(_read, paths):
                pictures.append(picture)
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # or leaving would first decode all the others
            raise
    return pictures


def _read(path: Path) -> Picture:
    image = read_image(path)
    pixel_hash = hashlib.sha256(str(image.shape).encode())
    pixel_hash.update(image.data)
    return Picture(image.shape[0] * image.shape[1], pixel_hash.digest(), thumbnail(image))
