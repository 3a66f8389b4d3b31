"""Models and tokenizers in transformers' format, from a folder, a hub id or tensors at hand; every key must fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors, is_wrapped, read_tensors, require_finite
from gdinousam.models.checkpoints.keys import listed
from gdinousam.models.config_values import require_kinds, require_possible
from gdinousam.models.small import SEPARATOR_TOKENS
from gdinousam.models.weights.frozen_norms import frozen_without_copying
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.reading import read_json_object

_LONGEST_REASON = 160
_MOST_TOKENS = 100  # that one short word can take, letter by letter
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")
# Not read or computed anew: BERT's pooler and position numbers, and in files of transformers 5, which leaves out Swin's
# position indices, the norm behind Swin's last stage.
_IGNORED_KEYS = (
    r"text_backbone\.(pooler\.|embeddings\.position_ids$)"
    r"|relative_position_index$|conv_encoder\.model\.(swin\.)?layernorm\."
)


def from_folder_or_hub(model_class: type[PreTrainedModel], name: str, model_types: tuple[str, ...]) -> Any:
    """Load a model from a folder or by hub id.

    model_types: what its config.json may call itself. Raises InputError where it is missing, of another type, lacks or
    has left over any tensor, or holds nan or infinite weights.
    """
    require_possible(_config_of(name, model_types), name)
    local = Path(name).exists()
    config_class: Any = model_class.config_class

    def load() -> Any:
        require_kinds(config_class.from_pretrained(name, local_files_only=local), name)
        # without the type, transformers 5 builds half-precision models from half-precision files
        return model_class.from_pretrained(name, dtype=torch.float32, local_files_only=local, output_loading_info=True)

    # it warns of the keys that we make an error of
    with _quiet_transformers(), frozen_without_copying():
        model, info = _fetched(name, load)
    if local and is_wrapped(info["unexpected_keys"]):
        return from_tensors(model_class, model.config, _tensors_in(Path(name)), Path(name))
    _require_all_keys(info, name)
    require_finite(dict(model.named_parameters()) | dict(model.named_buffers()), name)
    return model


def _tensors_in(folder: Path) -> Tensors:
    """All weights of a folder, without the prefixes of wrappers."""
    files = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    return {name: tensor for file in files for name, tensor in read_tensors(file).items()}


def model_type_of(name: str, model_types: tuple[str, ...]) -> str:
    """What a folder's or hub id's config.json calls its model; raises InputError where that is not in model_types."""
    return str(_config_of(name, model_types)["model_type"])


def _config_of(name: str, model_types: tuple[str, ...]) -> dict[str, Any]:
    folder = Path(name)
    if folder.exists():
        if not (folder / "config.json").is_file():
            raise InputError(
                f"{name} has no config.json; give a folder in transformers' format, a weight file or a hub id"
            )
        config = read_json_object(folder / "config.json")
    elif folder.is_absolute():
        raise InputError(f"{name}: no such folder or file; give weights on disk or a hub id")
    else:
        config, _ = _fetched(name, lambda: PretrainedConfig.get_config_dict(name))
    model_type = config.get("model_type")
    if model_type not in model_types:
        raise InputError(f"{name} holds a model of type {model_type!r}; expected {' or '.join(model_types)}")
    return config


def from_tensors(model_class: type[PreTrainedModel], config: PretrainedConfig, tensors: Tensors, path: Path) -> Any:
    """Build a model of this config, in eval mode, from tensors under transformers' names.

    path: the file that they come from, for messages. Raises InputError where any tensor is missing, left over or of
    another shape.
    """
    with _quiet_transformers(), frozen_without_copying():
        try:
            model, info = model_class.from_pretrained(
                None,
                config=config,
                state_dict=tensors,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # they are named below, which transformers' own error does not do
                output_loading_info=True,
            )
        except Exception as error:  # of sizes that nothing can be built of
            raise InputError(f"{path} does not fit the architecture it looks like: {first_line(error)}") from error
    # transformers 5 gives each with its two shapes
    mismatched = [key if isinstance(key, str) else key[0] for key in info["mismatched_keys"]]
    if mismatched:
        raise InputError(f"{path} does not fit the architecture it looks like: {listed(mismatched)} of another shape")
    _require_all_keys(info, str(path))
    return model


def pretrained_tokenizer(name: str) -> Any:
    """Load the tokenizer of a folder or hub id; raises InputError where there is none."""
    folder = Path(name)
    if folder.is_dir() and not has_tokenizer(folder):
        raise InputError(f"{name} has no tokenizer ({' or '.join(_TOKENIZER_FILES)}); save it beside the model")

    def load() -> Any:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=folder.exists())
        require_places(tokenizer, name)
        tokenize_captions([build_caption(["cyst"])], tokenizer, max_tokens=_MOST_TOKENS)  # shows what settings break
        return tokenizer

    return _fetched(name, load)


def require_places(tokenizer: PreTrainedTokenizerBase, source: str | Path) -> None:
    """Raise InputError unless the tokens that part phrases have BERT's numbers, by which the model knows them."""
    for token, index in SEPARATOR_TOKENS.items():
        if tokenizer.convert_tokens_to_ids(token) != index:
            raise InputError(f"{source} holds another tokenizer than BERT's ({token} is not token {index})")


def has_tokenizer(folder: Path) -> bool:
    """Whether a tokenizer's files lie in a folder."""
    return any((folder / file).is_file() for file in _TOKENIZER_FILES)


def first_line(error: Exception) -> str:
    """The first line of an error's text that says something."""
    lines = (str(error).strip() or type(error).__name__).splitlines()
    # torch's "Error(s) in loading state_dict for ...:" says what is wrong in the next line
    return " ".join(line.strip() for line in lines[: 2 if lines[0].endswith(":") else 1])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + " ..."


def _require_all_keys(info: dict[str, Any], name: str) -> None:
    for kind in ("missing", "unexpected"):
        keys = [key for key in info[f"{kind}_keys"] if not re.search(_IGNORED_KEYS, key)]
        if keys:
            raise InputError(f"{name}: {kind} {listed(keys)}; it is another architecture")


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    earlier, with_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()  # transformers 5 draws one for reading a file
    try:
        yield
    finally:
        logging.set_verbosity(earlier)
        if with_bars:
            logging.enable_progress_bar()


def _fetched(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except InputError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors check little of a file before they use it
        if Path(name).exists():
            raise InputError(f"cannot load {name}: {first_line(error)}") from error
        raise InputError(
            f"model {name!r} is nothing on disk and could not be fetched as a hub id ({_short(first_line(error))}); "
            "give weights on disk, or fetch them once with gdinousam download"
        ) from error
