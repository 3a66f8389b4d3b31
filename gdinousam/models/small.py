"""Small configurations of the same classes, for tests, for a first run without a hub and for machines without a GPU.

They differ from the published models in size only: every code path (two-stage queries, deformable attention, text
fusion, box-prompted mask decoder) is the same one. Weights are random: they are meant to be trained in full, as those
of ``small-v1`` were. The detector of ``small`` has another image encoder, see ``gdinousam.models.imagenet_encoder``.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Sam2Config,
    Sam2Model,
    SwinConfig,
)
from transformers.models.sam2.configuration_sam2 import (
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
)

from gdinousam.errors import InputError
from gdinousam.models.mask_heads.random_sam import PLAIN_LAYERS, reset_plain_layers

SMALL_DETECTOR_SIZE = 192
SMALL_MASK_HEAD_SIZE = 256

# transformers' Grounding DINO recognises the tokens that separate phrases by BERT's token numbers, not by the
# tokenizer (SPECIAL_TOKENS in its modelling file), so any tokenizer used with it must give them these places.
SEPARATOR_TOKENS = {"[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}
_OTHER_SPECIAL_TOKENS = {"[PAD]": 0, "[UNK]": 100, "[MASK]": 103}
_VOCABULARY_SIZE = 1030

# Whole words that get a token of their own; every other word is spelled out in characters.
_WORDS = """
a adenoma and artery back benign bladder bone bowel breast bright capsule carcinoma cell central chocolate complex
cortex cyst cystadenoma dark duct echogenic fat fetal fetus fibroadenoma fluid focal gallbladder gland grade head
heart hemangioma hepatic high hyperechoic hypoechoic in inflammation intestine kidney large left lesion lesions liver
lobe low lumbar lump lung lymph malignant mass medulla mucinous multifidus muscle nerve node nodule normal of organ
outline ovarian ovary pancreas papillary paraspinal parenchyma pelvis placenta portal prostate region renal right
round scan serous shadow simple skull small solid spleen stone structure suspicious teratoma testis the theca thyroid
tissue tumor tumour ultrasound uterus vein ventricle vessel wall with zone
""".split()  # noqa: SIM905 (a list would take a line per word)


def small_vocabulary() -> list[str]:
    """WordPiece entries in token order: BERT's special places, printable characters, words of the field."""
    entries = [f"[unused{index}]" for index in range(_VOCABULARY_SIZE)]
    fixed = SEPARATOR_TOKENS | _OTHER_SPECIAL_TOKENS
    for token, index in fixed.items():
        entries[index] = token
    characters = [*string.ascii_lowercase, *string.digits, *(c for c in string.punctuation if c not in fixed)]
    pieces = [*characters, *(f"##{c}" for c in string.ascii_lowercase + string.digits), *_WORDS]
    taken = set(fixed.values())
    free = (index for index in range(1, _VOCABULARY_SIZE) if index not in taken)
    for piece in dict.fromkeys(pieces):
        entries[next(free)] = piece
    return entries


def small_tokenizer() -> PreTrainedTokenizerFast:
    """Lower-casing WordPiece tokenizer over ``small_vocabulary``, as BERT's."""
    vocabulary = {token: index for index, token in enumerate(small_vocabulary())}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder()
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return _with_special_tokens(tokenizer, 512)


def with_words(tokenizer: PreTrainedTokenizerBase, words: Iterable[str]) -> PreTrainedTokenizerFast:
    """The small tokenizer with a token for each of some lower-case words that it would spell out in characters.

    They take unused places of the vocabulary, in alphabetical order, so all other tokens and the model's sizes remain.
    Raises InputError where there are more words than places.
    """
    tree = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary: dict[str, int] = tree["model"]["vocab"]
    new = sorted(set(words) - set(vocabulary))
    unused = [token for token in vocabulary if token.startswith("[unused")]
    if len(new) > len(unused):
        raise InputError(
            f"{len(new)} words for {len(unused)} unused places in the detector's tokenizer; name another detector"
        )
    named = dict(zip(unused, new, strict=False))
    tree["model"]["vocab"] = {named.get(token, token): index for token, index in vocabulary.items()}
    return _with_special_tokens(Tokenizer.from_str(json.dumps(tree)), tokenizer.model_max_length)


def _with_special_tokens(tokenizer: Tokenizer, max_length: int) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        clean_up_tokenization_spaces=True,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    )


def small_detector_config() -> GroundingDinoConfig:
    """Grounding DINO of about 8 million parameters for images of 192 x 192 pixels."""
    return GroundingDinoConfig(
        backbone_config=SwinConfig(
            window_size=6,
            image_size=SMALL_DETECTOR_SIZE,
            embed_dim=48,
            depths=[2, 2, 4, 2],
            num_heads=[3, 6, 12, 24],
            drop_path_rate=0.1,
            out_indices=[2, 3, 4],
        ),
        text_config=BertConfig(
            vocab_size=_VOCABULARY_SIZE,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
        ),
        d_model=128,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=256,
        decoder_layers=3,
        decoder_attention_heads=4,
        decoder_ffn_dim=256,
        num_queries=40,
        num_feature_levels=3,
        encoder_n_points=2,
        dropout=0.0,
        fusion_droppath=0.0,
        max_text_len=64,
    )


def small_mask_head_config() -> Sam2Config:
    """SAM2 of about 2 million parameters for images of 256 x 256 pixels."""
    side = SMALL_MASK_HEAD_SIZE
    backbone = Sam2HieraDetConfig(
        hidden_size=32,
        num_attention_heads=1,
        image_size=[side, side],
        window_positional_embedding_background_size=[4, 4],
        blocks_per_stage=[1, 2, 3, 1],
        embed_dim_per_stage=[32, 64, 128, 256],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[8, 4, 8, 4],
        global_attention_blocks=[5],
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[256, 128, 64, 32],
        backbone_feature_sizes=[[side // 4, side // 4], [side // 8, side // 8], [side // 16, side // 16]],
        fpn_hidden_size=64,
    )
    return Sam2Config(
        vision_config=vision,
        prompt_encoder_config=Sam2PromptEncoderConfig(hidden_size=64, image_size=side),
        mask_decoder_config=Sam2MaskDecoderConfig(
            hidden_size=64,
            mlp_dim=128,
            num_attention_heads=4,
            iou_head_hidden_dim=64,
            # outside training SAM2 may answer with one of the three masks for ambiguous points, which we do not train
            dynamic_multimask_via_stability=False,
        ),
    )


# transformers starts nearly every layer at a standard deviation of 0.02. That suits wide models; in these narrow ones
# the signals would be too faint to learn from, so plain layers start as torch starts them.


def random_small_detector() -> GroundingDinoForObjectDetection:
    """Small Grounding DINO with random weights from torch's generator, fit to be trained from there."""
    model = GroundingDinoForObjectDetection(small_detector_config())
    for name, module in model.named_modules():
        # deformable attention and box heads start in ways of their own: a ring of samples, no change of the box
        if isinstance(module, PLAIN_LAYERS) and not re.search(
            r"encoder_attn\.|deformable_layer\.self_attn\.|bbox_embed", name
        ):
            module.reset_parameters()
    # Token logits are dot products of two normalised vectors, of size sqrt(d_model): every box would start out certain
    # and the first hundreds of steps would go into unlearning that. With text features scaled like this they start near
    # 0. Not the queries' norm: with that, boxes diverged (docs/small_model.md). The decoder refines boxes from queries
    # before that norm and is trained on them after it, and the two should not differ in scale.
    with torch.no_grad():
        model.model.encoder.layers[-1].text_enhancer_layer.layer_norm_after.weight.fill_(model.config.d_model**-0.5)
    return model


def random_small_mask_head() -> Sam2Model:
    """Small SAM2 with random weights from torch's generator, fit to be trained from there."""
    model = Sam2Model(small_mask_head_config())
    reset_plain_layers(model)
    return model
