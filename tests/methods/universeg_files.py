"""Weights of UniverSeg under their official names, made by rule, and small data to draw examples from."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage

from benchmarks.parity.weights import rule_values
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.records import ImageRecord, Instance, MaskReference

GOLDENS = Path(__file__).parents[2] / ".." / "shared" / "goldens" / "universeg"
WIDTH, HEIGHT = 90, 70


def official_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in the official file."""
    shapes: dict[str, tuple[int, ...]] = {}
    for block in [*(f"enc_blocks.{level}" for level in range(4)), *(f"dec_blocks.{level}" for level in range(3))]:
        num_in = 3 if block == "enc_blocks.0" else 128 if block.startswith("enc") else 256
        for layer, channels in (
            ("cross.cross_conv", num_in),
            ("target.vmapped.conv", 64),
            ("support.vmapped.conv", 64),
        ):
            shapes |= {f"{block}.{layer}.weight": (64, channels, 3, 3), f"{block}.{layer}.bias": (64,)}
    return shapes | {"out_conv.conv.weight": (1, 64, 1, 1), "out_conv.conv.bias": (1,)}


def official_tensors() -> Tensors:
    """The tensors that the outputs were recorded with."""
    return {name: torch.from_numpy(rule_values(name, shape)) for name, shape in official_shapes().items()}


def write_record(
    folder: Path,
    name: str,
    phrases: Iterable[str] = ("cyst",),
    dataset: str = "one",
    group: str | None = None,
    seed: int | None = None,
) -> ImageRecord:
    """Write an image of noise with a square mask for each phrase, side by side.

    seed: of the noise; ``None``: from the name, so that images of different names look different.
    """
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed if seed is not None else list(f"{dataset}/{name}".encode()))
    coarse = generator.integers(0, 256, (8, 10), dtype=np.uint8)
    PILImage.fromarray(coarse).resize((WIDTH, HEIGHT), PILImage.Resampling.BILINEAR).save(folder / name)
    phrases = tuple(phrases)
    instances = []
    for place, phrase in enumerate(phrases):
        mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        mask[20:50, 30 * place : 30 * place + 20] = 255
        path = folder / f"{Path(name).stem}_mask_{place}.png"
        PILImage.fromarray(mask).save(path)
        instances.append(Instance(phrase, (30.0 * place, 20.0, 20.0, 30.0), MaskReference(path)))
    absent = () if phrases else ("cyst",)
    shown = tuple(dict.fromkeys(phrases)) or absent
    return ImageRecord(folder / name, WIDTH, HEIGHT, dataset, group, tuple(instances), absent, shown, shown[-1])
