"""Official outputs in a small file, so that they are compared with where the official code cannot run.

Weights are not kept: names and shapes are, and ``official_values`` makes the same weights of them anywhere. Every third
query is kept, and all choices of proposals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.parity.official_grounding_dino import OfficialOutput, official_values
from gdinousam.errors import InputError
from gdinousam.files import replaced_file
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.records import Image

_QUERY_STEP = 3


@dataclass(frozen=True, eq=False)
class Recording:
    """The official model's outputs and what they were made from.

    phantom: the image that ``case_images`` starts from. shapes: official name -> shape of every floating-point tensor.
    integers: the other tensors. outputs: case name -> output, of every third query but with all choices. made_with: the
    official package and its version.
    """

    phantom: Image
    shapes: Mapping[str, tuple[int, ...]]
    integers: Tensors
    outputs: Mapping[str, OfficialOutput]
    made_with: str

    def state_dict(self) -> Tensors:
        """All tensors of the official model under their names."""
        return {name: official_values(name, shape) for name, shape in self.shapes.items()} | dict(self.integers)


def recording_of(
    state_dict: Tensors, phantom: Image, outputs: Mapping[str, OfficialOutput], made_with: str
) -> Recording:
    """Reduce the official model's state dict and whole outputs to what is kept."""
    return Recording(
        phantom,
        {name: tuple(tensor.shape) for name, tensor in state_dict.items() if tensor.is_floating_point()},
        {name: tensor for name, tensor in state_dict.items() if not tensor.is_floating_point()},
        {name: _every_third_query(output) for name, output in outputs.items()},
        made_with,
    )


def save_recording(recording: Recording, path: Path) -> None:
    """Write a recording as a compressed npz file."""
    arrays: dict[str, Any] = {
        "made_with": recording.made_with,
        "phantom": recording.phantom[..., 0],
        "names": list(recording.shapes),
        "shapes": [" ".join(map(str, shape)) for shape in recording.shapes.values()],
    }
    for name, tensor in recording.integers.items():
        arrays[f"integers/{name}"] = tensor.numpy().astype(np.int16)
    for name, output in recording.outputs.items():
        arrays[f"logits/{name}"] = output.logits.numpy()
        arrays[f"boxes/{name}"] = output.boxes_cxcywh_norm.numpy()
        arrays[f"choices/{name}"] = output.choices.numpy().astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_file(path) as new, new.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_recording(path: Path) -> Recording:
    """Read what ``save_recording`` wrote; raises InputError where there is no such file."""
    if not path.is_file():
        raise InputError(f"{path}: no such recording; python scripts/parity.py --record {path} makes one")
    with np.load(path, allow_pickle=False) as arrays:

        def below(folder: str) -> dict[str, torch.Tensor]:
            names = [name for name in arrays.files if name.startswith(f"{folder}/")]
            return {name.removeprefix(f"{folder}/"): torch.from_numpy(arrays[name]) for name in names}

        boxes, choices = below("boxes"), below("choices")
        return Recording(
            np.repeat(arrays["phantom"][..., None], 3, axis=2),
            {
                str(name): tuple(map(int, str(shape).split()))
                for name, shape in zip(arrays["names"], arrays["shapes"], strict=True)
            },
            {name: tensor.long() for name, tensor in below("integers").items()},
            {
                name: OfficialOutput(logits, boxes[name], choices[name].long())
                for name, logits in below("logits").items()
            },
            str(arrays["made_with"]),
        )


def _every_third_query(output: OfficialOutput) -> OfficialOutput:
    return OfficialOutput(output.logits[:, ::_QUERY_STEP], output.boxes_cxcywh_norm[:, ::_QUERY_STEP], output.choices)
