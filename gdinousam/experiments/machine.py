"""What a run notes about the machine and the libraries that it ran on."""

from __future__ import annotations

import torch

LIBRARIES = ("torch", "torchvision", "transformers", "peft", "accelerate")


def device_name(device: torch.device) -> str:
    """The name of the GPU, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
