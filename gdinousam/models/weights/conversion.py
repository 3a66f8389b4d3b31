"""Weights from one form to another, as a new folder: official files and the published LoRA to ours, adapters merged."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from transformers import PreTrainedModel

from gdinousam import __version__
from gdinousam.errors import InputError
from gdinousam.folders import replaced_folder
from gdinousam.models.adapters.base_note import describe_base, portable_name
from gdinousam.models.adapters.files import is_adapter
from gdinousam.models.adapters.loading import base_of, load_adapter, save_adapter
from gdinousam.models.checkpoints.files import Tensors, kind_of, read_tensors
from gdinousam.models.checkpoints.grounding_dino import grounding_dino_from, official_tokenizer
from gdinousam.models.checkpoints.keys import listed
from gdinousam.models.checkpoints.sam import sam_from
from gdinousam.models.checkpoints.sam2 import sam2_from
from gdinousam.models.detector.operating_point import OPERATING_POINT, noted_point, save_point
from gdinousam.models.loading import load_detector, load_grounding_dino, save_resize, trained_resize
from gdinousam.models.mask_heads.sam import sam_preprocessing, save_sam_preprocessing
from gdinousam.models.processors import save_detector_processor, save_mask_head_processor
from gdinousam.models.weights.checksums import sha256_of
from gdinousam.models.weights.model_card import write_model_card
from gdinousam.preprocessing import ResizeSettings

ORIGIN_NOTE = "gdinousam_origin.json"
# by what a folder is a conversion of; as the note of a training calls it
_TRAINED = {"Grounding DINO": "detector", "merged": "detector", "SAM2": "mask_head"}

logger = logging.getLogger(__name__)


def convert_checkpoint(source: Path, out: Path, detector: str | None = None, overwrite: bool = False) -> str:
    """Write a foreign weight file as a folder that every part of the program, and transformers or peft, loads.

    source: an official Grounding DINO, SAM2, SAM or MedSAM file, or the published LoRA file, told apart by content.
    out: new folder; written as a whole or not at all. detector: the base of a LoRA file; other files need none.
    overwrite: replace an earlier conversion there. Returns a line that says what it was and how a config names it.
    Raises InputError for any other source, a LoRA file without or with the wrong base, a detector without tokenizer,
    and a folder in use.
    """
    if source.is_dir():
        raise InputError(f"{source} is a folder; give a weight file, or an adapter folder to gdinousam export-adapter")
    _require_free(out, [source, *_local(detector)], overwrite)
    tensors = read_tensors(source)
    kind = kind_of(tensors)
    logger.info("%s: %s, %d tensors", source, kind or "unknown", len(tensors))
    if detector is not None and kind != "LoRA":
        logger.warning("the detector %s is not used: %s is not a LoRA file", detector, source)
    if kind == "LoRA":
        return _convert_lora(source, out, detector)
    if kind == "Grounding DINO":
        return _convert_detector(tensors, source, out)
    if kind in ("SAM2", "SAM"):
        return _convert_mask_head(tensors, source, out)
    if kind == "transformers":
        raise InputError(f"{source} is in transformers' format already; give its folder in the config as it is")
    raise InputError(
        f"{source} holds {listed(list(tensors))} of no model that we know; "
        "give an official Grounding DINO, SAM2, SAM or MedSAM file or the published LoRA file"
    )


def export_adapter(adapter: Path, out: Path, detector: str | None = None, overwrite: bool = False) -> str:
    """Write a detector with its adapter merged as a plain folder, which transformers and ``load_detector`` open.

    adapter: a LoRA folder or the published LoRA file. out, overwrite: as for ``convert_checkpoint``. detector: the
    base; ``None`` takes the one that the folder names. Tokenizer, resize note and operating point are
    written along. Returns a line that
    says how a config names it. Raises InputError as ``load_detector`` does, and for a folder in use.
    """
    base = detector or _base_named_by(adapter)
    _require_free(out, [adapter, *_local(base)], overwrite)
    resize, point = trained_resize(adapter, base), noted_point(adapter)
    merged = load_detector(base, adapter)
    with _new_folder(
        out, {"made_from": portable_name(str(adapter)), "base": portable_name(base), "kind": "merged"}
    ) as new:
        merged.grounding_dino.save_pretrained(new)
        merged.tokenizer.save_pretrained(new)
        save_resize(new, resize)
        if point is not None:
            save_point(new / OPERATING_POINT, point)
    return f"adapter {adapter} merged into {base}: in a config, model.detector: {out}"


def _convert_lora(source: Path, out: Path, detector: str | None) -> str:
    if detector is None:
        raise InputError(f"{source} is a LoRA file, which needs the model it was trained on; add --detector BASE")
    model, _ = load_grounding_dino(detector)
    adapted = load_adapter(model, source)
    with _new_folder(out, _origin(source, "LoRA") | {"base": portable_name(detector)}) as new:
        save_adapter(adapted, describe_base(model, detector), new)
    return f"{source} is a LoRA file for {detector}: in a config, model.adapter: {out}"


def _convert_detector(tensors: Tensors, source: Path, out: Path) -> str:
    tokenizer = official_tokenizer(source)
    model = grounding_dino_from(tensors, source)
    with _new_folder(out, _origin(source, "Grounding DINO")) as new:
        model.save_pretrained(new)
        tokenizer.save_pretrained(new)
        save_detector_processor(new, ResizeSettings())  # what a folder without our note gets
    return f"{source} is a Grounding DINO detector: in a config, model.detector: {out}"


def _convert_mask_head(tensors: Tensors, source: Path, out: Path) -> str:
    model: PreTrainedModel
    if kind_of(tensors) == "SAM2":
        name, preprocessing = "SAM2", None
        model = sam2_from(tensors, source)
    else:
        preprocessing = sam_preprocessing(str(source))
        name = {"sam": "SAM", "medsam": "MedSAM"}[preprocessing]
        model = sam_from(tensors, source)
    with _new_folder(out, _origin(source, name)) as new:
        model.save_pretrained(new)
        if preprocessing is None:
            save_mask_head_processor(new, model)
        else:
            save_sam_preprocessing(new, preprocessing)
    return f"{source} is a {name} mask head: in a config, model.mask_head: {out}"


def _base_named_by(adapter: Path) -> str:
    if is_adapter(adapter):
        return base_of(adapter)
    if adapter.is_file():
        raise InputError(f"{adapter} is a file, which does not name its base; add --detector BASE")
    raise InputError(f"{adapter} is not a LoRA adapter; give a folder of train.py or peft, or the published LoRA file")


def _require_free(out: Path, inputs: Sequence[Path], overwrite: bool) -> None:
    """Refuse an output folder that is in use, before any work; only an earlier conversion is ever replaced."""
    target = out.resolve()
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not overwrite:
        raise InputError(f"{out} is in use; name a new folder, or add --overwrite to replace an earlier conversion")
    if not (target / ORIGIN_NOTE).is_file():
        raise InputError(f"{out} is not a conversion of ours (no {ORIGIN_NOTE} in it); name another folder")
    for path in inputs:
        if path.resolve().is_relative_to(target):
            raise InputError(f"{path} lies in {out}, which would be replaced; name another folder")


@contextmanager
def _new_folder(out: Path, origin: dict[str, str]) -> Iterator[Path]:
    """An empty folder to fill, which becomes ``out`` in the end, with a note of what it was made from."""
    try:
        with replaced_folder(out.resolve()) as new:
            yield new
            notes = origin | {"gdinousam": __version__, "transformers": version("transformers")}
            (new / ORIGIN_NOTE).write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")
            kind = _TRAINED.get(origin["kind"], origin["kind"])
            write_model_card(new, {"trained": kind, "started_from": origin.get("base", origin["made_from"])})
    except OSError as error:
        raise InputError(f"cannot write to {out} ({error.strerror or error}); name another folder") from error


def _origin(source: Path, kind: str) -> dict[str, str]:
    return {"made_from": portable_name(str(source)), "sha256": sha256_of(source), "kind": kind}


def _local(detector: str | None) -> list[Path]:
    return [Path(detector)] if detector is not None and Path(detector).exists() else []
