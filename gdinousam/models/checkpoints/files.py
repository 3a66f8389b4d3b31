"""Read a weight file of any origin as plain tensors, and tell from their names what it holds."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from gdinousam.errors import InputError

Tensors = dict[str, torch.Tensor]
Kind = Literal["Grounding DINO", "SAM2", "SAM", "LoRA", "transformers", "SAMUS", "UltraSam", "UniverSeg", "BiomedParse"]

# Training scripts put the weights beside optimizer and epoch, under one of these names.
_WEIGHT_ENTRIES = ("model", "state_dict", "model_state_dict")
# DistributedDataParallel, torch.compile and FullyShardedDataParallel put these before every name.
_WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.")

# Names that only one kind of file has; the first kind that fits counts, as adapters repeat names of their base.
_MARKS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("LoRA", (".lora_A.",)),
    ("transformers", ("model.text_backbone.", "vision_encoder.")),
    ("Grounding DINO", ("transformer.encoder.fusion_layers.", "feat_map.")),
    ("SAM2", ("image_encoder.trunk.",)),
    # built on SAM, whose names it keeps
    ("SAMUS", ("image_encoder.cnn_embed.",)),
    ("SAM", ("image_encoder.patch_embed.",)),
    ("UltraSam", ("bbox_head.output_hypernetworks_mlps.",)),
    ("UniverSeg", ("enc_blocks.0.cross.cross_conv.",)),
    ("BiomedParse", ("sem_seg_head.predictor.lang_encoder.",)),
)


# What mmengine's training logs beside the weights is made of (mmengine 0.10). UltraSam's file is of such a run.
_LOGGED_BY_MMENGINE = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "builtins.getattr",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
)


class _Inert:
    """Stands in a pickle for something that is not wanted: it takes whatever it is given and does nothing."""

    def __init__(self, *arguments: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


def read_tensors(path: Path) -> Tensors:
    """Read the weights of a torch file (``.pth``, ``.pt``, ``.bin``) or a safetensors file, on the CPU.

    Returns name -> tensor as stored, unwrapped from the entry that training scripts put them in. What mmengine logs
    beside the weights is passed over without running any of its code. Raises InputError for a file that is missing, cut
    off, no weight file, or a pickle that wants to run code.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such weight file; check the path")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for entry in _WEIGHT_ENTRIES:
        if isinstance(content, Mapping) and isinstance(content.get(entry), Mapping):
            content = content[entry]
            break
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path} holds no table of weights but {_describe(content)}; give a file with a state dict")
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"{path}: entry {name!r} is {_describe(value)}, not a tensor; give a state dict")
        if not isinstance(name, str):
            raise InputError(f"{path}: the tensor {name!r} has no name but {_describe(name)}; give a state dict")
    tensors = _unwrapped(content)
    require_finite(tensors, path)
    return tensors


def require_finite(tensors: Mapping[str, torch.Tensor], source: Path | str) -> None:
    """Raise InputError, naming source and tensor, where a number is nan or infinite: such a model has no answers."""
    wrong = [name for name, tensor in tensors.items() if not _is_finite(tensor)]
    if wrong:
        raise InputError(
            f"{source}: {len(wrong)} of {len(tensors)} tensors hold nan or infinite numbers, first {wrong[0]}; the "
            "training went wrong or the file is damaged, take an earlier or fresh one"
        )


def is_wrapped(names: Sequence[str]) -> bool:
    """Whether a wrapper's prefix stands before every one of these names, at least one."""
    return bool(names) and _wrapper_of(names) is not None


def _wrapper_of(names: Sequence[str]) -> str | None:
    return next((one for one in _WRAPPERS if all(name.startswith(one) for name in names)), None)


def _is_finite(tensor: torch.Tensor) -> bool:
    if not (tensor.is_floating_point() or tensor.is_complex()) or tensor.is_meta:
        return True
    # 8-bit floats know no such question
    return bool(torch.isfinite(tensor if tensor.element_size() > 1 else tensor.float()).all())


def _unwrapped(content: Mapping[str, torch.Tensor]) -> Tensors:
    """The tensors without what wrappers put before every name, one round the other."""
    names = list(content)
    while prefix := _wrapper_of(names):
        names = [name.removeprefix(prefix) for name in names]
    return dict(zip(names, content.values(), strict=True))


def kind_of(names: Iterable[str]) -> Kind | None:
    """What a file with these tensor names holds; ``None``: nothing that we know."""
    names = list(names)
    for kind, marks in _MARKS:
        if any(mark in name for mark in marks for name in names):
            return kind
    return None


def require_kind(tensors: Tensors, expected: Kind, path: Path) -> Tensors:
    """Return the tensors of a file if they are of the expected kind; raises InputError that says what they are."""
    kind = kind_of(tensors)
    if kind != expected:
        raise InputError(f"{path} holds {_content_of(kind, tensors)}; expected an official {expected} file")
    return tensors


def _content_of(kind: Kind | None, tensors: Tensors) -> str:
    if kind is None:
        return f"an unknown model ({len(tensors)} tensors, first {next(iter(tensors))})"
    if kind == "transformers":
        return "weights in transformers' format, which are given as the folder with their config.json"
    return f"a {kind} {'adapter' if kind == 'LoRA' else 'model'}"


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is cut off or no safetensors file ({error}); fetch it again") from error


def _read_torch(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals([(_Inert, name) for name in _LOGGED_BY_MMENGINE]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = _wanted_code(error)
        if wanted is None:
            raise InputError(f"{path} is cut off or no torch file; fetch it again") from error
        raise InputError(
            f"{path} is refused: reading it would run code ({wanted}); where you trust its origin, load it with the "
            "program that wrote it and save the state dict alone"
        ) from error
    except Exception as error:  # bytes that are not a pickle are read as instructions of one, and fail in any way
        raise InputError(f"{path} is cut off or no torch file; fetch it again") from error


def _wanted_code(error: Exception) -> str | None:
    """The class or function that a pickle asked for, from torch's explanation; ``None``: it was about other things.

    torch words it in two ways: not known to be safe, and of a module that is blocked (``os`` and its like). A text that
    is read as a pickle can ask for something too, but hardly by a name that could be one.
    """
    match = re.search(r"GLOBAL (\w+(?:\.\w+)*)(?: |$)", str(error), re.MULTILINE)
    return match[1] if match else None


def _describe(value: object) -> str:
    return "nothing" if value is None or value == {} else f"a {type(value).__name__}"
