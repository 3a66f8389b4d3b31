"""A SAM2 that hears the phrase: what its object is called becomes one more prompt beside its box. Not of the paper.

Where several structures share a box, a box alone cannot tell which of them is meant; and a box that is wrong can be
corrected by who knows what to look for. Nothing changes as long as nothing is trained: the last layer starts at zero.
Shapes: N prompts, D numbers of a word, C of a prompt, S side of the square that the model sees.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerBase, Sam2Model

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import read_tensors, require_finite
from gdinousam.models.detector.detector import Detector
from gdinousam.models.first_answer import explained
from gdinousam.models.mask_heads.sam2 import Prompted, Sam2MaskHead
from gdinousam.models.weights.hub import folder_with
from gdinousam.models.weights.pretrained import pretrained_tokenizer
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.reading import read_json_object, reading

WEIGHTS, CONFIG = "phrase_prompt.safetensors", "phrase_prompt.json"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_TEXT_CONFIG = "text_encoder"


class PhraseReader(nn.Module):
    """A frozen copy of a detector's text encoder, with what the detector makes of a phrase that is asked alone."""

    def __init__(self, encoder: BertModel, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.tokenizer = tokenizer

    @classmethod
    def of(cls, detector: Detector) -> PhraseReader:
        """The reader with the text encoder of a detector, copied."""
        theirs = detector.grounding_dino.model.text_backbone
        encoder = BertModel(theirs.config, add_pooling_layer=False)
        encoder.load_state_dict({name: tensor.float() for name, tensor in theirs.state_dict().items()})
        return cls(encoder, detector.tokenizer).eval()

    @property
    def width(self) -> int:
        """D."""
        return int(self.encoder.config.hidden_size)

    def train(self, mode: bool = True) -> PhraseReader:
        """It stays in eval mode: dropout in frozen words would only be noise."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, phrases: Sequence[str]) -> torch.Tensor:
        """The mean over the tokens of each phrase, (N, D) float32; zero for an empty text. InputError for what is no
        phrase, or too long.
        """
        device = self.encoder.device
        spoken = list(dict.fromkeys(phrase for phrase in phrases if phrase))
        features = torch.zeros(len(spoken) + 1, self.width, device=device)  # the last: of no phrase
        if spoken:
            captions = [build_caption([phrase]) for phrase in spoken]
            longest = int(self.encoder.config.max_position_embeddings)
            tokens = tokenize_captions(captions, self.tokenizer, longest).to(device)
            # The detector lets words attend to those of their own phrase and its full stop alone, and counts positions
            # from its start: what BERT does without [CLS].
            words = self.encoder(tokens.input_ids[:, 1:], tokens.attention_mask[:, 1:] * ~self._ends(tokens.input_ids))
            of_phrase = torch.cat([one[:1, 1:] for one in tokens.phrase_tokens]).float()
            means = (of_phrase[..., None] * words.last_hidden_state.float()).sum(dim=1)
            features[:-1] = means / of_phrase.sum(dim=1, keepdim=True).clamp(min=1)
        places = {phrase: place for place, phrase in enumerate(spoken)}
        return features[[places.get(phrase, len(spoken)) for phrase in phrases]]

    def _ends(self, input_ids: torch.Tensor) -> torch.Tensor:
        """(N, T - 1) bool: the [SEP] at the end of each caption."""
        return input_ids[:, 1:] == self.tokenizer.sep_token_id


class PhrasePrompt(nn.Module):
    """From the features of a phrase to a prompt, in two parts: one is added to the token that stands for "no click"
    beside a box, one to the image's features at every place.
    """

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(words), nn.Linear(words, 2 * width), nn.GELU())
        self.last = nn.Linear(2 * width, 2 * width)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both (N, C), zero where no phrase is given. features: (N, D)."""
        spoken = features.abs().sum(dim=1, keepdim=True) > 0
        prompt = self.last(self.layers(features)) * spoken
        token, everywhere = prompt.tensor_split(2, dim=1)
        return token, everywhere


class PhraseMaskHead(Sam2MaskHead):
    """SAM2 shown boxes and told what is in them."""

    def __init__(self, model: Sam2Model, reader: PhraseReader, prompt: PhrasePrompt | None = None) -> None:
        super().__init__(model)
        self.reader = reader
        self.prompt = prompt or PhrasePrompt(reader.width, int(model.config.prompt_encoder_config.hidden_size))

    @explained
    def answer(
        self, encoded: list[torch.Tensor], boxes_xyxy: torch.Tensor, size_hw: tuple[int, int], phrases: Sequence[str]
    ) -> Prompted:
        """The decoder's answer for the boxes of one image and what is in them; see ``MaskHead.answer``."""
        boxes = self.boxes_in_square(boxes_xyxy, size_hw)
        return self.prompted([level.expand(len(boxes), -1, -1, -1) for level in encoded], boxes, phrases)

    def prompted(self, levels: Sequence[torch.Tensor], boxes_xyxy: torch.Tensor, phrases: Sequence[str]) -> Prompted:
        """The decoder's answer to N prompts.

        levels: the features of each prompt's image, (N, C, h, w). boxes_xyxy: (N, 4) in pixels of the square. phrases:
        N, an empty text for a box alone.
        """
        token, everywhere = self.prompt(self.reader(phrases))
        # a copy: transformers (4.57) adds half a pixel to the boxes it is given, in place
        sparse, dense = self.model.prompt_encoder(
            input_points=None, input_labels=None, input_boxes=boxes_xyxy[:, None].clone(), input_masks=None
        )
        # two corners, and a token that says only that there is no click
        sparse = torch.cat([sparse[:, :, :2], sparse[:, :, 2:] + token[:, None, None]], dim=2)
        positions = self.model.get_image_wide_positional_embeddings()
        logits, quality, *_ = self.model.mask_decoder(
            image_embeddings=levels[-1],
            image_positional_embeddings=positions.expand(len(boxes_xyxy), -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense + everywhere[..., None, None],
            multimask_output=False,
            high_resolution_features=list(levels[:-1]),
        )
        return Prompted(logits[:, 0].float(), quality[:, 0, 0].float())

    def save(self, folder: Path) -> None:
        """See ``Sam2MaskHead``; ``load_phrase_prompt`` reads what is written beside SAM2."""
        super().save(folder)
        tensors = {f"reader.{name}": tensor for name, tensor in self.reader.encoder.state_dict().items()}
        tensors |= {f"prompt.{name}": tensor for name, tensor in self.prompt.state_dict().items()}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)
        note = {_TEXT_CONFIG: self.reader.encoder.config.to_dict()}
        (folder / CONFIG).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
        self.reader.tokenizer.save_pretrained(folder)


def has_phrase_prompt(name: str) -> Path | None:
    """The folder of a mask head that hears phrases, ``None`` of one that does not. name: a folder, file or hub id."""
    return folder_with(name, CONFIG, (WEIGHTS, *TOKENIZER_FILES))


def load_phrase_prompt(model: Sam2Model, folder: Path) -> PhraseMaskHead:
    """The mask head of a folder. model: its SAM2. Raises InputError for what does not fit it."""
    note = read_json_object(folder / CONFIG)
    if _TEXT_CONFIG not in note:
        raise InputError(f"{folder / CONFIG} has no {_TEXT_CONFIG}; restore it as it was saved with the weights")
    tensors = {name: tensor.float() for name, tensor in read_tensors(folder / WEIGHTS).items()}
    require_finite(tensors, folder / WEIGHTS)
    with reading(
        folder / WEIGHTS, "the phrase prompt of a mask head", "restore it as it was saved with SAM2's weights"
    ):
        encoder = BertModel(BertConfig.from_dict(note[_TEXT_CONFIG]), add_pooling_layer=False)
        head = PhraseMaskHead(model, PhraseReader(encoder, pretrained_tokenizer(str(folder))))
        head.reader.encoder.load_state_dict(_part(tensors, "reader."))
        head.prompt.load_state_dict(_part(tensors, "prompt."))
    return head


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
