"""The U-Net on disk: a folder with its weights and a description of them."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from safetensors.torch import save_file

from gdinousam.errors import InputError
from gdinousam.methods.unet.network import UNet, UNetDescription
from gdinousam.methods.unet.segmenter import UNetSegmenter
from gdinousam.models.checkpoints.files import read_tensors
from gdinousam.models.weights.pretrained import first_line
from gdinousam.reading import read_json_object

DESCRIPTION, WEIGHTS = "unet.json", "unet.safetensors"


def save_unet(network: UNet, description: UNetDescription, folder: Path) -> None:
    """Write the weights and their description into an existing folder; ``load_unet`` reads them."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_unet(folder: str | Path) -> UNetSegmenter:
    """Read a folder of ``save_unet``, ``best`` or ``last`` of a run: ready to segment on the CPU; ``to`` moves it.

    Raises InputError where a file is missing or broken, or the weights are not those of the description.
    """
    folder = Path(folder)
    path = folder / DESCRIPTION
    if not path.is_file():
        raise InputError(f"{folder} has no {DESCRIPTION}; give the folder best or last of a run of trainUNet.py")
    try:
        description = UNetDescription.model_validate(read_json_object(path))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"])) or "its values together"
        raise InputError(f"{path}: {key}: {problem['msg']}; take the file that was written with the weights") from error
    network = UNet(description.channels, len(description.phrases))
    try:
        network.load_state_dict(read_tensors(folder / WEIGHTS))
    except RuntimeError as error:
        raise InputError(f"{folder / WEIGHTS} does not fit {path}: {first_line(error)}") from error
    return UNetSegmenter(network.requires_grad_(False).eval(), description)
