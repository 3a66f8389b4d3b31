"""Generated ultrasound-like images with exact masks, for tests, for pretraining and for a first try without any data.

``make_phantom`` draws one image of a family, ``write_phantoms`` a dataset in the CSV layout. Each family in
``FAMILIES`` stands for an organ: its layers, what lies beside the targets, and targets whose look and phrase belong
together. They teach nothing about patients.
"""

from gdinousam.data.sources.phantoms.breast import LESION_KINDS
from gdinousam.data.sources.phantoms.families import FAMILIES, Family, make_phantom, phrases_of
from gdinousam.data.sources.phantoms.imaging import Phantom
from gdinousam.data.sources.phantoms.settings import VARIED, PhantomSettings
from gdinousam.data.sources.phantoms.writing import write_phantoms

__all__ = [
    "FAMILIES",
    "LESION_KINDS",
    "VARIED",
    "Family",
    "Phantom",
    "PhantomSettings",
    "make_phantom",
    "phrases_of",
    "write_phantoms",
]
