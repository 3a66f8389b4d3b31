"""Which model an adapter was made for: a note beside the adapter, and the check against the model that it is put on.

An adapter on another base answers without complaint, and wrong: names and shapes fit every Grounding DINO of its size.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path

import torch
import transformers
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import nn

from gdinousam.errors import InputError
from gdinousam.models.bundled import BUNDLED, SMALL_V1, SMALL_V1_SHA256
from gdinousam.models.weights.choice import is_hub_id
from gdinousam.reading import read_json_object
from gdinousam.settings import OWN_MODEL_NAMES

BASE_NOTE = "gdinousam_base.json"

logger = logging.getLogger(__name__)

# What adapters add to a model; the frozen originals, ".base_layer." and ".original_module.", are the base's.
_ADDED = r"\.lora_[AB]\.|\.modules_to_save\."
# transformers 5 gives the image backbone a last norm that Grounding DINO never reads and its files do not hold.
_UNREAD = r"conv_encoder\.model\.(?:swin\.)?layernorm\."
_DIGITS_SHOWN = 12
# how huggingface_hub calls the folder of a repository in its cache
_CACHED = "models--"
_NUM_ABOVE = 4  # of a run's best folder: the run, the folder of runs, the project, what holds the project


class BaseNote(BaseModel):
    """name: see ``portable_name``; empty where the base had none. sha256: see ``weights_sha256``. num_parameters: of
    the base. transformers: version that the note was written with.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str
    num_parameters: int
    transformers: str

    @property
    def is_small_v1(self) -> bool:
        """Whether the base is the first edition of the bundled model, whatever it was called."""
        return self.sha256 == SMALL_V1_SHA256

    def __str__(self) -> str:
        return f"{self.name or 'a model without a name'} (sha256 {self.sha256[:_DIGITS_SHOWN]}...)"


def describe_base(model: nn.Module, name: str) -> BaseNote:
    """The note of a Grounding DINO, plain or below its adapters; about a second at full size."""
    parameters = _base_parameters(model)
    note = BaseNote(
        name=portable_name(name),
        sha256=weights_sha256(model),
        num_parameters=sum(parameter.numel() for parameter in parameters),
        transformers=transformers.__version__,
    )
    logger.info("base of the adapter: %s, %s parameters", note, f"{note.num_parameters:,}")
    return note


def portable_name(name: str) -> str:
    """What an adapter calls its base on every machine: names of ours and hub ids as they are, of a file or folder the
    last part alone. A folder of a hub cache is called by its hub id.

    A path would tell how somebody's disk is arranged, and lead nowhere elsewhere; the hash tells whether a file of that
    name is the one.
    """
    if name in ("", *OWN_MODEL_NAMES) or is_hub_id(name):
        return name
    path = Path(name)
    cached = next((part for part in path.absolute().parts if part.startswith(_CACHED)), None)
    if cached and not path.is_file():
        return cached.removeprefix(_CACHED).replace("--", "/")
    return _last_part(str(path.resolve() if path.name in ("", "..") else path))


def found_base(name: str, folder: Path) -> str:
    """Where the base of an adapter folder is, by the name that the adapter gives it.

    Names of ours and hub ids are returned as they are, and so is what exists in the working folder. A file or folder is
    looked for beside the adapter, in the folders above it and in the working folder, and in ``weights`` of each. It is
    the base where its hash says so, which ``require_same_base`` checks once it is loaded; so without a note beside the
    adapter only what the adapter names as it stands is taken. Raises InputError that asks for the base.
    """
    if name in OWN_MODEL_NAMES or Path(name).exists() or is_hub_id(name):
        return name
    last = _last_part(name)
    if (folder / BASE_NOTE).is_file():
        above = folder.resolve()
        for place in (Path(), above, *list(above.parents)[:_NUM_ABOVE]):
            for candidate in (place / last, place / "weights" / last):
                if candidate.exists():
                    return str(candidate)
    raise InputError(
        f"adapter {folder} was made for {last!r}, which is not here; name that file or folder as the detector, and the "
        "adapter beside it (model.detector, model.adapter)"
    )


def _last_part(name: str) -> str:
    """Of a path, of this system or of Windows."""
    return re.split(r"[\\/]", name.rstrip("\\/"))[-1]


def weights_sha256(model: nn.Module) -> str:
    """Hash of the weights of a Grounding DINO, without its adapters if it has some.

    Digest over the sorted set of the digests of all parameters (shape and values in float32, little-endian). Names and
    repetitions do not count: versions of transformers differ in both, for the same weights.
    """
    return hashlib.sha256(b"".join(sorted(weight_digests(model)))).hexdigest()


def weight_digests(model: nn.Module) -> set[bytes]:
    """The digest of every parameter of a Grounding DINO, without its adapters if it has some."""
    return {digest_of(parameter) for parameter in _base_parameters(model)}


def digest_of(tensor: torch.Tensor) -> bytes:
    """The sha256 of a tensor's shape and values in float32."""
    values = tensor.detach().to("cpu", torch.float32).contiguous().numpy()
    digest = hashlib.sha256(repr(tuple(values.shape)).encode())
    digest.update(values.astype("<f4", copy=False).data)
    return digest.digest()


def save_base_note(note: BaseNote, folder: Path) -> None:
    """Write the note beside an adapter; ``require_same_base`` reads it."""
    (folder / BASE_NOTE).write_text(note.model_dump_json(indent=2) + "\n", encoding="utf-8")


def require_same_base(model: nn.Module, folder: Path) -> None:
    """Check that a model is the one that the adapter in a folder was made for.

    An adapter without a note, as peft writes it, cannot be checked, which is logged. Raises InputError for another
    model, and for a note that cannot be read.
    """
    note = noted_base(folder)
    if note is None:
        logger.info("adapter %s has no %s, so its base could not be checked", folder, BASE_NOTE)
        return
    found = weights_sha256(model)
    if found != note.sha256:
        raise InputError(
            f"adapter {folder} was made for {note}; this is another model (sha256 {found[:_DIGITS_SHOWN]}...); "
            f"{_remedy(note)}"
        )


def _remedy(note: BaseNote) -> str:
    if note.is_small_v1:
        return f"name {SMALL_V1} as the detector and its mask head"
    if note.name in BUNDLED:
        return (
            f"name {note.name} as the detector; where it is named already, its weights have changed since: name a copy "
            "of the earlier ones, or tune again"
        )
    return "name that base as the detector, or tune again"


def noted_base(folder: Path) -> BaseNote | None:
    """The note beside an adapter, ``None`` where there is none; InputError for one that cannot be read."""
    path = folder / BASE_NOTE
    if not path.is_file():
        return None
    try:
        return BaseNote.model_validate(read_json_object(path))
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}; restore it") from error


def _base_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Every parameter of the base once."""
    named = model.named_parameters()
    return [parameter for name, parameter in named if not re.search(f"{_ADDED}|{_UNREAD}", name)]
