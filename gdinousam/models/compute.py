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
        description="Number type of the matrix products of detector and image encoder. float32 for numbers that "
        "you publish; auto: bfloat16 if the GPU or CPU computes it fast, otherwise float32. Positions, boxes, "
        "scores and the mask decoder stay in float32.",
    )
    tf32: bool = Field(
        False,
        description="CUDA: compute float32 matrix products and convolutions in TensorFloat-32, with 10 bits of "
        "mantissa instead of 23. false: never, although torch would do so for convolutions.",
    )
    deformable_kernel: Kernel = Field(
        "auto",
        description="CUDA: the code for sampling in the detector's deformable attention. auto: the Triton "
        "kernel if it has just given the same values and gradients as plain code on that GPU, otherwise plain "
        "code; triton: the kernel or an error; plain: transformers' own code.",
    )
    compile: bool = Field(
        False,
        description="Compile the image encoders with torch.compile: takes minutes at the start and saves some "
        "time per image (docs/performance.md); on a CPU it needs a C++ compiler.",
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
