"""LoRA adapters on disk: ours and peft's folders and the published file, on the model they were made for.

``load_detector`` reads every one of them. peft opens a folder of ours as well, by
``PeftModel.from_pretrained(model, folder)``. It then warns of missing keys, the further names of the shared box head,
which is one module: nothing is missing. With transformers 5, call ``prepare_for_adapters(model)`` of
``gdinousam.models.adapters.lora`` before; peft stops with a NotImplementedError otherwise.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper
from torch import nn
from transformers import GroundingDinoForObjectDetection

from gdinousam.errors import InputError
from gdinousam.models.adapters.base_note import (
    BaseNote,
    digest_of,
    found_base,
    noted_base,
    require_same_base,
    save_base_note,
    weight_digests,
)
from gdinousam.models.adapters.files import (
    ADAPTER_CONFIG,
    MODEL_CARD,
    WEIGHT_FILES,
    is_adapter,
    read_adapter,
    weights_of,
)
from gdinousam.models.adapters.lora import (
    DEFAULT_ADAPTER,
    LoraSettings,
    add_lora,
    prepare_for_adapters,
    without_peft_warning,
)
from gdinousam.models.bundled import SMALL, SMALL_V1
from gdinousam.models.checkpoints.files import read_tensors, require_finite, require_kind
from gdinousam.models.checkpoints.grounding_dino import transformers_module
from gdinousam.models.checkpoints.keys import listed
from gdinousam.models.checkpoints.published_lora import (
    NUM_LAYERS,
    PublishedLora,
    has_official_names,
    published_lora_from,
)
from gdinousam.models.weights.pretrained import first_line
from gdinousam.reading import read_json_object, reason_of

logger = logging.getLogger(__name__)

_BACKBONE = "model.backbone."
# parts of transformers' Grounding DINO that no other model has
_MARKS_OF_OURS = ("text_enhancer_layer.", "deformable_layer.", "encoder_attn_text.", "bbox_embed.", "text_projection.")


def base_of(folder: Path) -> str:
    """The name under which the base of an adapter folder loads: one of ours, a hub id, a file or a folder.

    An adapter on the bundled model as it was before goes on that one. Raises InputError where the adapter does not say,
    or where the file or folder that it names is not found; see ``gdinousam.models.adapters.base_note.found_base``.
    """
    base = read_json_object(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not base or not isinstance(base, str):
        raise InputError(f"adapter {folder} does not name its base; give the base as detector beside the adapter")
    if base == SMALL and (note := noted_base(folder)) is not None and note.is_small_v1:
        return SMALL_V1
    return found_base(base, folder)


def load_adapter(model: GroundingDinoForObjectDetection, path: Path) -> PeftModel:
    """Put an adapter on a model.

    path: a folder as train.py or peft writes it, or the published LoRA, as a file or as peft's folder. The model must
    be the base that the adapter was made for, which is checked where the adapter tells: ours by a hash, the published
    file by base weights if it holds any. Raises InputError where the path is neither, where the base is another, or
    where any tensor is missing, left over, or of another shape or rank.
    """
    if path.name in WEIGHT_FILES and is_adapter(path.parent):
        raise InputError(f"{path} is a part of an adapter; give its folder, {path.parent}")
    with without_peft_warning():
        return _load_published(model, path) if path.is_file() else _load_folder(model, path)


def merged(adapted: PeftModel, path: Path) -> GroundingDinoForObjectDetection:
    """The model with the adapter put on it in its weights.

    path: of the adapter, for messages. Raises InputError where its settings do not let it be merged, or give numbers
    that are nan or infinite.
    """
    try:
        model: GroundingDinoForObjectDetection = adapted.merge_and_unload()
    except Exception as error:  # peft looks at some settings only here
        raise InputError(
            f"adapter {path} cannot be merged: {reason_of(error)}; restore its {ADAPTER_CONFIG}"
        ) from error
    require_finite(dict(model.named_parameters()), f"adapter {path} on its base")
    return model


def describe_adapter(path: Path) -> str:
    """What an adapter is, in words, told without the model that it is for.

    path: as for ``load_adapter``. Kind, names and ranks are looked at, not yet whether shapes fit a model. Raises
    InputError for what is not a LoRA of a full-size Grounding DINO.
    """
    if path.is_dir():
        config, stored = read_adapter(path)
        if not has_official_names(stored):
            if not any(mark in name for mark in _MARKS_OF_OURS for name in stored):
                raise InputError(f"adapter {path} is of another model than Grounding DINO: {listed(list(stored))}")
            return f"a LoRA folder for transformers' Grounding DINO, rank {config.r}, {len(stored)} tensors"
        path = weights_of(path)
    content = _read_published(path, NUM_LAYERS, NUM_LAYERS)
    return f"a LoRA of the public adaptation, rank {content.rank}, {len(content.adapters) // 2} adapted modules"


def forget_trained_layers(adapted: PeftModel) -> None:
    """Give layers that were trained in full their weights of the base again, in place; adapters stay.

    The public code loads what was trained into the frozen copy that peft keeps beside such a layer and drops when it
    merges, so that its tests ran with the untrained last layer of the box head.
    """
    for module in adapted.modules():
        if isinstance(module, ModulesToSaveWrapper):
            module.modules_to_save[DEFAULT_ADAPTER].load_state_dict(module.original_module.state_dict())


def save_adapter(adapted: PeftModel, base: BaseNote, folder: Path) -> None:
    """Write an adapter into an existing folder, in peft's format, with the note of its base beside it.

    peft's model card, a form to fill in, is left out; ``gdinousam.models.weights.model_card`` writes one.
    """
    config: Any = adapted.peft_config[DEFAULT_ADAPTER]
    config.base_model_name_or_path = base.name
    config.target_modules = _adapted_names(adapted)
    # save_embedding_layers: peft would otherwise ask the hub whether the base's vocabulary grew
    adapted.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / MODEL_CARD).unlink()
    save_base_note(base, folder)


def _load_folder(model: GroundingDinoForObjectDetection, folder: Path) -> PeftModel:
    config, stored = read_adapter(folder)
    if has_official_names(stored):
        if getattr(config, "use_rslora", False):
            raise InputError(f"adapter {folder} is scaled as rank-stabilised LoRA, which the public adaptation is not")
        return _load_published(model, weights_of(folder), alpha=config.lora_alpha)
    require_same_base(model, folder)
    try:
        # not PeftModel.from_pretrained, which warns of every further name that the shared box head has
        prepare_for_adapters(model)
        config.base_model_name_or_path = None  # peft would warn of another name; the hash says more
        if not any(_BACKBONE in name for name in stored):  # see _adapted_names: peft itself stores endings
            config.exclude_modules = rf".*{re.escape(_BACKBONE)}.*"
        adapted = get_peft_model(model, config)
        loaded: Any = set_peft_model_state_dict(adapted, stored)
    except Exception as error:  # peft and torch check little of what a config says before they use it
        raise InputError(f"adapter {folder} does not fit the detector: {first_line(error)}") from error
    # save_embedding_layers: see save_adapter
    expected = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    missing = sorted(expected.keys() - stored.keys())
    for keys, verb in ((missing, "lacks"), (loaded.unexpected_keys, "has unknown")):
        if keys:
            raise InputError(f"adapter {folder} {verb} {len(keys)} tensors for this detector, first {keys[0]}")
    return adapted


def _adapted_names(adapted: PeftModel) -> list[str]:
    """Whole names of the adapted modules.

    peft shortens them to endings that no other module of this model has. With another version of transformers others
    may have them too: "fc1" is in the image backbone from version 5 on, and was not before.
    """
    modules: nn.Module = adapted.get_base_model()
    return [name for name, module in modules.named_modules() if isinstance(module, LoraLayer)]


def _read_published(path: Path, num_encoder_layers: int, num_decoder_layers: int) -> PublishedLora:
    tensors = require_kind(read_tensors(path), "LoRA", path)
    return published_lora_from(tensors, path, num_encoder_layers, num_decoder_layers)


def _load_published(model: GroundingDinoForObjectDetection, path: Path, alpha: int | None = None) -> PeftModel:
    """alpha: ``None`` where the file does not state it; the public code sets it to the rank."""
    content = _read_published(path, model.config.encoder_layers, model.config.decoder_layers)
    _require_published_base(model, content, path)
    adapted = add_lora(model, LoraSettings(rank=content.rank, alpha=alpha or content.rank))
    base: nn.Module = adapted.get_base_model()
    with torch.no_grad():
        for name, tensor in (content.adapters | content.trained).items():
            _parameter_of(base, name).copy_(_of_shape(tensor, _parameter_of(base, name), name, path))
    logger.info("published LoRA %s: rank %d, %d adapters", path, content.rank, len(content.adapters) // 2)
    return adapted


def _parameter_of(adapted: nn.Module, name: str) -> nn.Parameter:
    """The parameter that a tensor of ``PublishedLora`` belongs to."""
    module, _, part = name.rpartition(".")
    layer: Any = adapted.get_submodule(transformers_module(module) or "")
    if part.startswith("lora_"):
        parameter: nn.Parameter = getattr(layer, part)[DEFAULT_ADAPTER].weight
    else:
        # Not the wrapped layer's own weights, where the public code puts them: peft drops those when it merges, and the
        # box head is then the untrained one.
        parameter = getattr(layer.modules_to_save[DEFAULT_ADAPTER], part)
    return parameter


def _of_shape(tensor: torch.Tensor, parameter: nn.Parameter, name: str, path: Path) -> torch.Tensor:
    if tensor.shape != parameter.shape:
        raise InputError(
            f"{path} does not fit the detector: {name} has shape {tuple(tensor.shape)}, not {tuple(parameter.shape)}"
        )
    return tensor


def _require_published_base(model: GroundingDinoForObjectDetection, content: PublishedLora, path: Path) -> None:
    """Find the base weights that a file holds, all or a part, among those of the model."""
    if not content.base:
        logger.info("adapter %s holds no weights of its base, so the base could not be checked", path)
        return
    known = weight_digests(model)
    other = [name for name, parts in content.base_parts.items() if not all(digest_of(part) in known for part in parts)]
    if other:
        raise InputError(f"{path} is an adapter for another base: {listed(other)} differ; name its own as detector")
