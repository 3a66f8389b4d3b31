"""What is trained in a timed step: our detector with adapters, and the official one as its public script trains it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from benchmarks.parity.official_grounding_dino import quiet_torch
from benchmarks.speed.comparison import OFFICIAL
from benchmarks.speed.programs import Precision
from gdinousam.data.dataset import Batch
from gdinousam.evaluation.timing.clock import Place
from gdinousam.models.checkpoints.grounding_dino import official_tokenizer
from gdinousam.models.checkpoints.published_lora import LAST_BOX_LAYER, adapted_modules
from gdinousam.models.detector.detector import Detector, DetectorOutput
from gdinousam.prompts import build_caption, positive_map, tokenize_captions
from gdinousam.training.losses import DetectionTarget, detection_sums
from gdinousam.training.settings import LossSettings
from gdinousam.training.tasks import DetectorTask, to_device

# The stages of a step.
FORWARD = "forward"
LOSS = "loss"
BACKWARD = "backward"
OPTIMIZER = "optimizer"
TRAINING_STAGES = (FORWARD, LOSS, BACKWARD, OPTIMIZER)
LOSSES = LossSettings()
_NUM_LAYERS = 6  # of the official encoder and of its decoder
_PUBLISHED_RANK = 32


class Learner(Protocol):
    """A model that is trained on one batch. name, precision: as of ``Program``. model: with its adapters."""

    name: str
    precision: str
    model: nn.Module

    @property
    def places(self) -> list[Place]: ...

    def loss(self) -> torch.Tensor:
        """Forward pass and loss of the batch, a scalar with its graph."""
        ...

    def start_training(self) -> None:
        """Called after the first step: turns on what makes steps random."""
        ...


class OurLearner:
    """Our detector with adapters, trained as ``train.py`` does; mixed precision as Accelerate does it."""

    def __init__(self, task: DetectorTask, batch: Batch, precision: Precision, device: torch.device) -> None:
        self.name, self.precision = f"ours, {precision}", str(precision)
        self.task = task
        self.model: nn.Module = task.detector.to(device).train()
        self.batch = to_device(batch, device)
        self._shown = _Autocast(task.detector, device.type, precision == "bfloat16")

    @property
    def places(self) -> list[Place]:
        """The forward pass; the rest of ``loss`` is the loss."""
        return [(self._shown, "forward", FORWARD)]

    def loss(self) -> torch.Tensor:
        """The loss of ``DetectorTask``."""
        return self.task.losses(self.batch, self._shown)["loss"]

    def start_training(self) -> None:
        """Nothing is random in ours: frozen parts stay in eval mode, and the adapters have no dropout."""


class OfficialLearner:
    """The official detector with peft's adapters, in float32, with the published gradient checkpoints.

    Our matching and loss: the public ones are not in the package. The first step is in eval mode, so that its loss can
    be compared; later ones drop paths at random, as published.
    """

    name = OFFICIAL
    precision: str = "float32"

    def __init__(self, detector: nn.Module, tokenizer_folder: Path, batch: Batch, device: torch.device) -> None:
        _checkpoint_as_published(detector)
        settings = LoraConfig(
            r=_PUBLISHED_RANK,
            lora_alpha=_PUBLISHED_RANK,
            target_modules=adapted_modules(_NUM_LAYERS, _NUM_LAYERS),
            modules_to_save=[LAST_BOX_LAYER],
        )
        self.model: Any = get_peft_model(detector, settings).to(device).eval()
        self.batch = to_device(batch, device)
        self._tokenizer = official_tokenizer(tokenizer_folder / "vocab.txt")

    @property
    def places(self) -> list[Place]:
        """The forward pass; the rest of ``loss`` is the loss."""
        return [(self.model, "forward", FORWARD)]

    def loss(self) -> torch.Tensor:
        """The loss of ``DetectorTask`` with its default weights, on the last layer's answer."""
        captions = [build_caption(example.phrases) for example in self.batch.examples]
        with quiet_torch():
            output = self.model(self.batch.pixel_values, captions=[caption.text for caption in captions])
        boxes = output["pred_boxes"]
        tokens = tokenize_captions(captions, self._tokenizer, output["pred_logits"].shape[-1]).to(boxes.device)
        targets = [
            DetectionTarget(example.boxes_cxcywh_norm, positive_map(phrase_tokens, example.phrase_indices))
            for example, phrase_tokens in zip(self.batch.examples, tokens.phrase_tokens, strict=True)
        ]
        sums = detection_sums(output["pred_logits"], boxes, tokens.attention_mask.bool(), targets, LOSSES)
        weighted = LOSSES.focal * sums["focal"] + LOSSES.l1 * sums["l1"] + LOSSES.giou * sums["giou"]
        return weighted / max(1, self.batch.num_boxes)

    def start_training(self) -> None:
        """Training mode throughout, as published."""
        self.model.train()


class _Autocast(nn.Module):
    """A detector whose forward pass runs in mixed precision, which is what ``Accelerator.prepare`` makes of it."""

    def __init__(self, detector: Detector, device_type: str, enabled: bool) -> None:
        super().__init__()
        self.detector = detector
        self._device_type, self._enabled = device_type, enabled

    def forward(self, *inputs: Any) -> DetectorOutput:
        with torch.autocast(self._device_type, torch.bfloat16, enabled=self._enabled):
            output: DetectorOutput = self.detector(*inputs)
        return output


def _checkpoint_as_published(detector: nn.Module) -> None:
    """Turn the gradient checkpoints on that the published configuration asks for; our builder leaves them off."""
    for module in detector.modules():
        for switch in ("use_checkpoint", "use_transformer_ckpt"):
            if hasattr(module, switch):
                setattr(module, switch, True)
