"""A few training steps of the official modules with the public settings, and the same steps of ours: the same losses.

The official side is written here from the facts of the public code: official captions and token maps, its matching
costs, its losses, torch's own optimizer and schedule. Both sides start from the same random weights; dropout is off,
because two programs do not draw the same noise.
"""

import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from scipy.optimize import linear_sum_assignment
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torchvision.ops import box_convert, generalized_box_iou

from benchmarks.parity.adapters import AdaptedOurs
from benchmarks.parity.official_grounding_dino import build_official, write_text_encoder
from benchmarks.parity.topk import RecordTopk, ReplayTopk
from gdinousam.data.dataset import Batch, Example, collate
from gdinousam.experiments.config import TrainConfig, load_config
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.checkpoints.published_lora import LAST_BOX_LAYER, adapted_modules
from gdinousam.models.detector.detector import Detector
from gdinousam.prompts import build_public_caption
from gdinousam.runtime import torch_seed
from gdinousam.training.schedule import build_schedule
from gdinousam.training.tasks import DetectorTask

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("groundingdino") is None, reason="needs groundingdino-py"),
    pytest.mark.skipif(
        int(version("transformers").split(".")[0]) >= 5, reason="groundingdino-py needs transformers < 5"
    ),
]
CONFIG = Path(__file__).parents[2] / "configs" / "train_config_public_code.yaml"
NUM_STEPS, STEPS_OF_RUN = 3, 40
# fewer layers and queries than published: the same code in a third of the time
NUM_LAYERS, NUM_QUERIES = 2, 100
# two boxes of one phrase, which stands twice in the caption, and one of another
PHRASES = ("Benign lesion", "kidney", "benign  lesion")
BOXES = torch.tensor([[0.3, 0.4, 0.2, 0.3], [0.6, 0.5, 0.5, 0.6], [0.7, 0.2, 0.1, 0.2]])
IGNORED = ".out_proj.lora_"


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    return load_config(TrainConfig, CONFIG)


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[PeftModel, AdaptedOurs]]:
    """The official model with peft's adapters as they start, and ours from its weights without them."""
    with tempfile.TemporaryDirectory() as name:
        write_text_encoder(Path(name))
        official = build_official("Swin-T", Path(name), NUM_LAYERS, NUM_QUERIES)
        ours = AdaptedOurs(official.state_dict(), Path(name))
        settings = LoraConfig(
            r=32,
            lora_alpha=32,
            target_modules=adapted_modules(NUM_LAYERS, NUM_LAYERS),
            modules_to_save=[LAST_BOX_LAYER],
        )
        with torch_seed(3):
            yield get_peft_model(official, settings).eval(), ours


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Two images of different sizes with one caption."""
    generator = torch.Generator().manual_seed(4)
    examples = [
        Example(torch.randn(3, *size_hw, generator=generator), BOXES, PHRASES, torch.arange(3), None)
        for size_hw in ((96, 128), (128, 96))
    ]
    return collate(examples)


class OfficialTraining:
    """The public code's training step on the official model."""

    def __init__(self, model: Any, batch: Batch) -> None:
        self.model, self.batch = model, batch
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-3)
        self.schedule = OneCycleLR(
            self.optimizer, max_lr=1e-3, total_steps=STEPS_OF_RUN, pct_start=0.1, div_factor=25, final_div_factor=1e4
        )

    def step(self) -> tuple[dict[str, float], torch.Tensor]:
        """The losses of a step, and the proposals that the model chose in it."""
        from groundingdino.util.misc import NestedTensor
        from groundingdino.util.vl_utils import build_captions_and_token_span, create_positive_map_from_span

        # the public code joins the words of a phrase by single blanks before
        words = [" ".join(phrase.lower().split()) for phrase in PHRASES]
        caption, spans = build_captions_and_token_span(words, force_lowercase=True)
        mask = self.batch.pixel_mask
        assert mask is not None
        images = NestedTensor(self.batch.pixel_values, mask == 0)
        with RecordTopk() as record:
            output = self.model(images, captions=[caption] * 2)
        base = self.model.get_base_model()
        tokenized = base.tokenizer(caption)
        positive = create_positive_map_from_span(tokenized, [spans[phrase] for phrase in words])
        valid = torch.zeros(256, dtype=torch.bool)
        valid[: len(tokenized["input_ids"])] = True
        terms = self._losses(output["pred_logits"], output["pred_boxes"], positive, valid)
        (terms["class"] + 10 * terms["l1"] + terms["giou"]).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        return {name: float(value.detach()) for name, value in terms.items()}, record.choices[0]

    def _losses(
        self, logits: torch.Tensor, boxes: torch.Tensor, positive: torch.Tensor, valid: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        sums = {"class": logits.new_zeros(()), "l1": logits.new_zeros(()), "giou": logits.new_zeros(())}
        num_boxes = 0
        for image_logits, image_boxes in zip(logits, boxes, strict=True):
            with torch.no_grad():
                overlaps = generalized_box_iou(_xyxy(image_boxes), _xyxy(BOXES))
                cost = -2 * image_logits.sigmoid() @ positive.T + 5 * torch.cdist(image_boxes, BOXES, p=1) - overlaps
                queries, targets = linear_sum_assignment(cost.numpy())
            wanted = torch.zeros_like(image_logits)
            wanted[queries] = positive[targets]
            sums["class"] = sums["class"] + _focal(image_logits[:, valid], wanted[:, valid])
            matched, true = image_boxes[queries], BOXES[targets]
            sums["l1"] = sums["l1"] + (matched - true).abs().sum()
            sums["giou"] = sums["giou"] + (1 - generalized_box_iou(_xyxy(matched), _xyxy(true)).diag()).sum()
            num_boxes += len(queries)
        return {"class": sums["class"] / 2, "l1": sums["l1"] / num_boxes, "giou": sums["giou"] / num_boxes}


def _xyxy(boxes: torch.Tensor) -> torch.Tensor:
    return box_convert(boxes, "cxcywh", "xyxy")


def _focal(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Focal loss with alpha 0.25 and gamma 2 (Lin et al. 2017), summed."""
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p_t = probability * targets + (1 - probability) * (1 - targets)
    return ((0.25 * targets + 0.75 * (1 - targets)) * (1 - p_t) ** 2 * entropy).sum()


class OurTraining:
    """Our training step with the settings of the config."""

    def __init__(self, model: nn.Module, tokenizer: Any, config: TrainConfig, batch: Batch) -> None:
        self.batch = batch
        detector = Detector(model, tokenizer, noisy_when_frozen=config.training.frozen_parts == "train")  # type: ignore[arg-type]
        self.task = DetectorTask(detector.eval(), config.losses, config.resize, build_public_caption)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        training = config.training
        self.optimizer = torch.optim.AdamW(trained, lr=training.learning_rate, weight_decay=training.weight_decay)
        self.schedule = build_schedule(self.optimizer, training, STEPS_OF_RUN, STEPS_OF_RUN)

    def step(self, proposals: torch.Tensor) -> dict[str, float]:
        with ReplayTopk([proposals]):
            terms = self.task.losses(self.batch)
        terms["loss"].backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        return {name: float(value.detach()) for name, value in terms.items()}


def our_model(ours: AdaptedOurs, official: PeftModel, lora: LoraSettings) -> nn.Module:
    """Our adapted model with the adapters of the official one, trained where the settings train it."""
    model = ours.adapted(get_peft_model_state_dict(official, save_embedding_layers=False))
    trained = {name for name, p in add_lora(ours.base, lora).named_parameters() if p.requires_grad}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
    return model


def test_losses_of_training_steps_are_those_of_the_public_code(
    both: tuple[PeftModel, AdaptedOurs], config: TrainConfig, batch: Batch
) -> None:
    official_model, ours = both
    model = our_model(ours, official_model, config.lora)
    assert not any(p.requires_grad for name, p in model.named_parameters() if IGNORED in name)
    official, our = OfficialTraining(official_model, batch), OurTraining(model, ours.tokenizer, config, batch)
    seen = []
    for _ in range(NUM_STEPS):
        theirs, proposals = official.step()
        mine = our.step(proposals)
        seen.append(theirs)
        assert mine["focal"] == pytest.approx(theirs["class"], rel=1e-5)
        assert mine["l1"] == pytest.approx(theirs["l1"], rel=1e-5)
        assert mine["giou"] == pytest.approx(theirs["giou"], rel=1e-5)
        total = theirs["class"] + 10 * theirs["l1"] + theirs["giou"]
        assert mine["loss"] == pytest.approx(total, rel=1e-5)
    # the steps do change what is compared
    assert abs(seen[0]["l1"] - seen[-1]["l1"]) > 1e-3 or abs(seen[0]["class"] - seen[-1]["class"]) > 1e-3
    # and the adapters that torch's attention never calls have not moved there
    ignored = [p for name, p in official_model.named_parameters() if ".out_proj.lora_B" in name]
    assert len(ignored) == 3 * NUM_LAYERS and not any(p.any() for p in ignored)
