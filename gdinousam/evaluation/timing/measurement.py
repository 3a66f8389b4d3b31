"""One method measured on one machine: from a test config to a JSON file and back."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from gdinousam import __version__
from gdinousam.evaluation.timing.clock import METHOD, time_batches
from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.data.contract.named_datasets import of_datasets
from gdinousam.data.contract.reading import read_records
from gdinousam.errors import InputError
from gdinousam.experiments.config import TestConfig, dump_config
from gdinousam.files import write_json
from gdinousam.models.loading import detector_and_adapter, pick_device, trained_resize
from gdinousam.models.segmenter import load_segmenter
from gdinousam.models.weights.kind import weights_kind, worst_kind
from gdinousam.records import WeightsKind

_LIBRARIES = ("torch", "torchvision", "transformers", "peft")


@dataclass(frozen=True)
class Measurement:
    """Seconds per image of a method, and everything that they depend on.

    method: its name in tables. device: name of the GPU, or "CPU" with its kind and the threads used.
    precision: number type of the matrix products. detector_input: how images are resized for the detector.
    mask_head_side: side in pixels of the square that the mask head sees.
    batch_size: images per call. num_images: distinct images timed. num_warm_up: batches before the clock counted.
    first_call, batches: seconds per image by stage, of the first call and of each timed batch.
    peak_gpu_bytes: most memory that torch took on the GPU, ``None`` on a CPU.
    data_sha256, config_sha256: of the test CSV and of the resolved config. gdinousam, libraries: versions.
    weights: what they are, unknown in measurements of an earlier version.
    """

    method: str
    device: str
    precision: str
    detector_input: str
    mask_head_side: int
    batch_size: int
    num_images: int
    num_warm_up: int
    first_call: Mapping[str, float]
    batches: tuple[Mapping[str, float], ...]
    peak_gpu_bytes: int | None
    data_sha256: str
    config_sha256: str
    gdinousam: str
    libraries: Mapping[str, str]
    weights: WeightsKind = "unknown"

    @property
    def stages(self) -> tuple[str, ...]:
        """What was timed apart."""
        return tuple(self.first_call)

    def percentile(self, percent: float, stage: str = METHOD) -> float:
        """A percentile of the seconds per image over the timed batches; 50: the median; nan without batches."""
        seconds = [batch[stage] for batch in self.batches if stage in batch]
        return float(np.percentile(seconds, percent)) if seconds else float("nan")


def measure(config: TestConfig, num_images: int = 50, batch_size: int = 1, num_warm_up: int = 3) -> Measurement:
    """Time the pipeline of a test config on its test images; ``data.datasets`` and ``data.max_images`` hold, the masks
    are not needed.

    num_images: images to time, in full batches, taken over again where the file has fewer. Raises InputError where
    weights or images cannot be loaded.
    """
    data, model = config.data, config.named_model
    if config.evaluation.predictions is not None:
        raise InputError("a folder of masks has no time; leave out evaluation.predictions to time the models")
    records = of_datasets(read_records(data.test_ann, data.test_dir), data.datasets, data.test_ann)[: data.max_images]
    device = pick_device(config.evaluation.device)
    resize = config.resize or trained_resize(*reversed(detector_and_adapter(model.detector, model.adapter)))
    segmenter = load_segmenter(
        model.detector,
        model.named_mask_head,
        model.adapter,
        resize,
        config.prediction,
        config.evaluation.device,
        config.evaluation.precision,
        config.evaluation.compile,
    )
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    num_batches = -(-num_images // batch_size)
    first_call, batches = time_batches(segmenter, records, device, batch_size, num_batches, num_warm_up)
    return Measurement(
        method=config.evaluation.method,
        device=_device_name(device),
        precision=str(segmenter.box_finder.detector.product_dtype).removeprefix("torch."),
        detector_input=_input_text(resize.mode, resize.size, resize.longest_edge),
        mask_head_side=segmenter.mask_head.side,
        batch_size=batch_size,
        num_images=min(len(records), num_batches * batch_size),
        num_warm_up=num_warm_up,
        first_call=first_call,
        batches=tuple(batches),
        peak_gpu_bytes=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        data_sha256=fingerprint(records, data.test_ann)["csv_sha256"],
        config_sha256=hashlib.sha256(dump_config(config).encode()).hexdigest(),
        gdinousam=__version__,
        libraries={name: version(name) for name in _LIBRARIES},
        weights=worst_kind([weights_kind(model.detector), weights_kind(model.mask_head)]),
    )


def measurement_path(folder: Path, method: str) -> Path:
    """Where a method's measurement is kept."""
    file_name = re.sub(r"[^\w.+-]", "_", method)
    return folder / f"{file_name}.json"


def write_measurement(measurement: Measurement, path: Path) -> None:
    """Write a measurement as JSON; the folder is made if missing, an earlier file replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(measurement))


def read_measurement(path: Path) -> Measurement:
    """Read what ``write_measurement`` wrote; InputError where the file is missing, cut off or holds something else."""
    try:
        return TypeAdapter(Measurement).validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; time the method with scripts/benchmark.py") from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no measurement of this version, or cut off; time the method again") from error


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def _input_text(mode: str, size: int, longest_edge: int) -> str:
    return f"{size} x {size}" if mode == "square" else f"shortest edge {size}, longest at most {longest_edge}"
