"""Seconds per image of a test config's method, on the images of its test file; of our pipeline stage by stage.

What is timed is the very object that an evaluation scores. Before the clock counts there is the first call, which is
reported apart because it pays for everything done once, and a warm-up.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import cycle, islice

import torch

from gdinousam import __version__
from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.data.contract.names import of_datasets
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_image
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.methods import Method, RecordSegmenter, Untimed
from gdinousam.evaluation.timing.clock import Clock, Place, watched
from gdinousam.evaluation.timing.measurement import DECODE, DETECTOR, MASK_HEAD, METHOD, Measurement
from gdinousam.experiments.config import TestConfig, dump_config
from gdinousam.models.loading import detector_and_adapter, pick_device, trained_resize
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.preprocessing import ResizeSettings
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Image, ImageRecord
from gdinousam.runtime import LIBRARIES


def measure(config: TestConfig, num_images: int = 50, batch_size: int = 1, num_warm_up: int = 3) -> Measurement:
    """Time the method of a test config on its test images; ``data.datasets`` and ``data.max_images`` hold, the masks
    are needed only by a method that is shown where the objects are.

    num_images: images to time, in full batches, taken over again where the file has fewer. Raises InputError where
    weights or images cannot be loaded.
    """
    data = config.data
    if config.evaluation.predictions is not None:
        raise InputError("a folder of masks has no time; leave out evaluation.predictions to time the models")
    records = read_records(data.test_ann, data.test_dir, data.test_masks)
    records = of_datasets(records, data.datasets, data.test_ann)[: data.max_images]
    device = pick_device(config.evaluation.device)
    method = _pipeline(config) if config.baseline is None else config.method.build(config, records)
    pipeline = method if isinstance(method, TextSegmenter) else None
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    num_batches = -(-num_images // batch_size)
    first_call, batches = time_batches(method, records, device, batch_size, num_batches, num_warm_up)
    precision = pipeline.box_finder.detector.product_dtype if pipeline else torch.float32
    return Measurement(
        precision=str(precision).removeprefix("torch."),
        first_call=first_call,
        runs=tuple(batches),
        method=config.evaluation.method,
        device=_device_name(device),
        detector_input=_input_text(_detector_resize(config)) if pipeline else None,
        mask_head_side=pipeline.mask_head.side if pipeline and isinstance(pipeline.mask_head, MaskHead) else None,
        batch_size=batch_size,
        num_images=min(len(records), num_batches * batch_size),
        num_warm_up=num_warm_up,
        peak_gpu_bytes=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        data_sha256=fingerprint(records, data.test_ann)["csv_sha256"],
        config_sha256=hashlib.sha256(dump_config(config).encode()).hexdigest(),
        gdinousam=__version__,
        libraries={name: version(name) for name in LIBRARIES},
        weights=config.method.kind(config),
    )


def _pipeline(config: TestConfig) -> TextSegmenter:
    model = config.named_model
    return load_segmenter(
        model.detector,
        str(model.mask_head),
        model.adapter,
        _detector_resize(config),
        config.prediction,
        config.evaluation.device,
        config.evaluation.precision,
        config.evaluation.compile,
    )


def _detector_resize(config: TestConfig) -> ResizeSettings:
    model = config.named_model
    return config.resize or trained_resize(*reversed(detector_and_adapter(model.detector, model.adapter)))


def time_batches(
    method: Method,
    records: Sequence[ImageRecord],
    device: torch.device,
    batch_size: int,
    num_batches: int,
    num_warm_up: int,
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Time a method on full batches of images, taken in the order of the records, over again where they run out.

    One phrase is asked per image, that of its last CSV row, as in the paper. Returns the seconds per image and stage of
    the first call, and of each of num_batches batches after num_warm_up untimed ones: ``decode``, reading the files;
    ``method``, everything that the method does, reading what it is shown included; and of a ``TextSegmenter`` also its
    parts ``detector`` and ``mask head``. Raises InputError without images, for one that cannot be read, and for a
    method that keeps what it computed.
    """
    if not records:
        raise InputError("no images to time; give a test CSV with at least one row")
    if isinstance(method, Untimed):
        raise InputError("what earlier runs computed is kept, so a time says nothing; set baseline.kept_maps=null")
    places = _places(method)
    parts = [stage for _, _, stage in places]
    clock = Clock(device)
    endless = cycle(records)
    per_image = []
    with watched(places, clock):
        turns = range(1 + num_warm_up + num_batches)
        for _ in ProgressBar(len(turns), "timing", "turn").over(turns):
            batch = list(islice(endless, batch_size))
            with clock.running(DECODE):
                images = [read_image(record.path) for record in batch]
            with clock.running(METHOD):
                _ask(method, images, [replace(record, phrases=(record.last_phrase,)) for record in batch])
            seconds = dict.fromkeys(parts, 0.0) | clock.take()
            seconds[METHOD] += sum(seconds[part] for part in parts)
            per_image.append({stage: whole / batch_size for stage, whole in sorted(seconds.items())})
    return per_image[0], per_image[1 + num_warm_up :]


def _ask(method: Method, images: Sequence[Image], records: Sequence[ImageRecord]) -> None:
    if isinstance(method, RecordSegmenter):
        method.segment_records(images, records)
    else:
        method.segment(images, [record.phrases for record in records])


def _places(method: Method) -> list[Place]:
    """The two stages of a detector with whatever makes masks of its boxes; of another method only the whole is seen."""
    if not isinstance(method, TextSegmenter):
        return []
    return [(method.box_finder, "find_and_choose", DETECTOR), (method.mask_head, "segment_hints", MASK_HEAD)]


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def _input_text(resize: ResizeSettings) -> str:
    if resize.mode == "square":
        return f"{resize.size} x {resize.size}"
    return f"shortest edge {resize.size}, longest at most {resize.longest_edge}"
