"""The official Grounding DINO of groundingdino-py, at full size and without any download.

Shapes: B images, Q query boxes, T text tokens.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertModel

from benchmarks.parity.topk import RecordTopk
from benchmarks.parity.weights import rule_values
from gdinousam.errors import InputError
from gdinousam.models.small import small_vocabulary

Backbone = Literal["Swin-T", "Swin-B"]
PACKAGE = "groundingdino-py"
_CONFIG_FILES = {"Swin-T": "GroundingDINO_SwinT_OGC.py", "Swin-B": "GroundingDINO_SwinB_cfg.py"}
_BERT_VOCABULARY_SIZE = 30522

# The rule's weights keep unit variance through every layer, which piles up over twelve layers of four residual
# branches each: differences in the seventh digit grow to the fourth before they reach a logit. Trained branches change
# what they are added to by far less, and trained token logits are a few units, not tens.
_FACTORS = (
    (
        r"transformer\..*(in_proj|out_proj|linear\d|value_proj|output_proj|[vl]_proj|attention_weights|offsets).*weight",
        0.3,
    ),
    (r"transformer\.decoder\.norm\.weight", 0.3),
    (r"bbox_embed\.layers\.2\.weight", 0.1),
    # many proposals within a thousandth of the image's edge, where the codes of box refinement could differ
    (r"transformer\.enc_out_bbox_embed\.layers\.2\.weight", 3.0),
)


@dataclass(frozen=True, eq=False)
class OfficialOutput:
    """What the official model says of a batch.

    logits: (B, Q, T), ``-inf`` on padding. boxes_cxcywh_norm: (B, Q, 4) in [0, 1]. choices: (B, Q) int64, the encoder's
    proposals that became queries, best first.
    """

    logits: torch.Tensor
    boxes_cxcywh_norm: torch.Tensor
    choices: torch.Tensor


def official_version() -> str:
    """The version of groundingdino-py; raises InputError where it is missing or cannot run."""
    try:
        found = version(PACKAGE)
    except PackageNotFoundError as error:
        raise InputError(f"{PACKAGE} is not installed; pip install -e .[official]") from error
    if int(version("transformers").split(".")[0]) >= 5:
        raise InputError(f"{PACKAGE} {found} needs transformers < 5, here is {version('transformers')}")
    return found


def write_text_encoder(folder: Path) -> None:
    """Write a BERT of full size with random weights and ``write_vocabulary``, as the official code loads them."""
    write_vocabulary(folder)
    BertModel(BertConfig(vocab_size=_BERT_VOCABULARY_SIZE)).save_pretrained(folder)


def write_vocabulary(folder: Path) -> None:
    """Write the small vocabulary, filled up to the size of BERT's."""
    words = small_vocabulary()
    words += [f"[unused{index}]" for index in range(len(words), _BERT_VOCABULARY_SIZE)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")


def build_official(backbone: Backbone, text_encoder: Path, num_layers: int = 6, num_queries: int = 900) -> nn.Module:
    """Build the official model in its published configuration with ``official_values``, in eval mode.

    text_encoder: folder of ``write_text_encoder``. num_layers: of encoder and decoder each; num_queries: boxes that it
    answers with. Raises InputError as ``official_version`` does.
    """
    official_version()
    with _quietly():
        import groundingdino
        from groundingdino.models import build_model
        from groundingdino.util.slconfig import SLConfig

        settings = SLConfig.fromfile(str(Path(groundingdino.__file__).parent / "config" / _CONFIG_FILES[backbone]))
        settings.text_encoder_type = str(text_encoder)
        settings.enc_layers = settings.dec_layers = num_layers
        settings.num_queries = num_queries
        # gradient checkpoints: no gradients here
        settings.use_checkpoint = settings.use_transformer_ckpt = False
        model: nn.Module = build_model(settings).eval().requires_grad_(False)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(official_values(name, tuple(tensor.shape)))
    return model


def official_values(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The float32 tensor of this official name: ``rule_values``, tamed; all names of the box head get the same."""
    name = re.sub(r"(transformer\.decoder\.)?bbox_embed\.\d+\.", "bbox_embed.", name)
    factor = next((factor for pattern, factor in _FACTORS if re.fullmatch(pattern, name)), 1.0)
    return torch.from_numpy(rule_values(name, shape) * np.float32(factor))


def official_output(
    model: Any, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None, texts: Sequence[str]
) -> OfficialOutput:
    """Run the official model on images and one caption text each.

    pixel_values, pixel_mask: as ``Detector`` takes them. Captions that differ go through one by one: in one batch the
    official text layers give images each other's attention masks (they repeat the masks per head as b0 b1 b0 b1, where
    torch's MultiheadAttention reads b0 b0 b1 b1).
    """
    padding = torch.zeros_like(pixel_values[:, 0]) if pixel_mask is None else 1 - pixel_mask
    together = len(set(texts)) == 1
    batches = [list(range(len(texts)))] if together else [[row] for row in range(len(texts))]
    outputs = []
    record = RecordTopk()
    with _quietly(), torch.no_grad(), record:
        from groundingdino.util.misc import NestedTensor

        for rows in batches:
            images = NestedTensor(pixel_values[rows], padding[rows].bool())
            outputs.append(model(images, captions=[texts[row] for row in rows]))
    assert len(record.choices) == len(batches), "the official model chooses proposals once"
    logits = torch.cat([output["pred_logits"] for output in outputs])
    num_tokens = int(logits.isfinite().any(dim=1).any(dim=0).sum())
    boxes = torch.cat([output["pred_boxes"] for output in outputs])
    return OfficialOutput(logits[..., :num_tokens], boxes, torch.cat(record.choices))


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Hide torch's warnings of old calls in the official code, which we cannot fix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


@contextmanager
def _quietly() -> Iterator[None]:
    """Hide what the official code prints and warns of."""
    with redirect_stdout(StringIO()), quiet_torch():
        yield
