"""Where and in which numbers models run: settings that every command shares, and what they do to a process."""

from __future__ import annotations

import os
from typing import Literal

import torch
from pydantic import Field

from gdinousam.models.detector.deformable_choice import Kernel, want_kernel
from gdinousam.models.loading import pick_device
from gdinousam.models.precision import Precision, allow_tf32
from gdinousam.runtime import keep_freed_memory
from gdinousam.settings import Settings


class ComputeSettings(Settings):
    """Where and in which numbers models run."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to run.")
    precision: Precision = Field(
        "float32",
        description="Number type of the matrix products of detector and image encoder: float32, bfloat16, or auto for "
        "bfloat16 where GPU or CPU has it in hardware. Positions, boxes, scores and the mask decoder stay in float32.",
    )
    tf32: bool = Field(
        False,
        description="CUDA: compute products and convolutions of float32 numbers in TensorFloat-32, which keeps 10 bits "
        "behind the point instead of 23. false: never, although torch would for convolutions.",
    )
    deformable_kernel: Kernel = Field(
        "auto",
        description="CUDA: what samples in the detector's deformable attention. auto: the Triton kernel where it has "
        "just given the same values and gradients as plain code on that GPU, else plain code; triton: the kernel or an "
        "error; plain: transformers' own code.",
    )
    compile: bool = Field(
        False,
        description="Let torch.compile have the image encoders: minutes at the start for some time per image "
        "(docs/performance.md); on a CPU it needs a C++ compiler.",
    )

    def prepare_process(self) -> torch.device:
        """Set up this process for these settings and return its device; once, before models are built.

        One of several processes gets a GPU of its own. Raises InputError for a device or kernel that is not there.
        """
        if "LOCAL_RANK" in os.environ and torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        device = pick_device(self.device)
        if device.type == "cpu":
            keep_freed_memory()
        allow_tf32(self.tf32)
        want_kernel(self.deformable_kernel, device)
        return device
