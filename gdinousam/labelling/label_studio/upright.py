"""Images as a browser shows them to whoever labels them: turned as their EXIF data say."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageOps

from gdinousam.prediction.sources import Picture
from gdinousam.prediction.views import whole_view

_AS_STORED = 1  # EXIF's orientation of a picture that is not turned


def upright(picture: Picture, content: bytes) -> Picture:
    """The picture turned or mirrored as its file says; the same where that says nothing, or is of another kind.

    content: the file that the picture was decoded from, of which only the head is read.
    """
    try:
        with PIL.Image.open(io.BytesIO(content)) as file:
            orientation = file.getexif().get(PIL.ExifTags.Base.Orientation, _AS_STORED)
    except Exception:  # DICOM, or EXIF data that are damaged: a browser shows such a picture as it is stored
        return picture
    stored = PIL.Image.fromarray(picture.image)
    stored.getexif()[PIL.ExifTags.Base.Orientation] = orientation
    image = np.array(PIL.ImageOps.exif_transpose(stored))
    return replace(picture, image=image, views=(whole_view(image),))
