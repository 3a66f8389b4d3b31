"""Small models: their tokenizer fits transformers' Grounding DINO, their weights are fit to be trained."""

import numpy as np
import pytest
import torch
from transformers.models.grounding_dino.modeling_grounding_dino import SPECIAL_TOKENS

from gdinousam.data.sources.phantoms import LESION_KINDS
from gdinousam.errors import InputError
from gdinousam.models.detector.detector import Detector
from gdinousam.models.small import (
    SEPARATOR_TOKENS,
    SMALL_DETECTOR_SIZE,
    random_small_detector,
    random_small_mask_head,
    small_tokenizer,
    small_vocabulary,
    with_words,
)
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.runtime import torch_seed


def test_separators_have_the_numbers_that_transformers_looks_for() -> None:
    tokenizer = small_tokenizer()
    assert sorted(SEPARATOR_TOKENS.values()) == sorted(SPECIAL_TOKENS)
    assert tokenizer.convert_tokens_to_ids(list(SEPARATOR_TOKENS)) == list(SEPARATOR_TOKENS.values())
    assert tokenizer("cyst. cyst?")["input_ids"][::2] == [101, 1012, 1029]
    assert tokenizer.pad_token_id == 0


def test_no_entry_of_the_vocabulary_stands_twice() -> None:
    vocabulary = small_vocabulary()
    assert len(set(vocabulary)) == len(vocabulary) == small_tokenizer().vocab_size


@pytest.mark.parametrize("word", ["kidney", "thyroid", "malignant", "lesion", "ultrasound"])
def test_a_word_of_the_field_is_one_token(word: str) -> None:
    assert small_tokenizer().tokenize(word.capitalize()) == [word]


@pytest.mark.parametrize("kind", LESION_KINDS, ids=lambda kind: kind.phrase)
def test_every_word_of_the_phantoms_is_one_token(kind: object) -> None:
    assert small_tokenizer().tokenize(kind.phrase) == kind.phrase.split()


@pytest.mark.parametrize("phrase", ["left kidney", "xyz-42 node", "hyperechoic zone (b/c)"])
def test_a_phrase_survives_the_tokenizer(phrase: str) -> None:
    tokenizer = small_tokenizer()
    decoded = tokenizer.decode(tokenizer(phrase, add_special_tokens=False)["input_ids"])
    assert "[UNK]" not in decoded
    assert decoded.replace(" ", "") == phrase.replace(" ", "")


def test_models_are_small() -> None:
    for model in (random_small_detector(), random_small_mask_head()):
        assert 5e5 < sum(parameter.numel() for parameter in model.parameters()) < 1e7


def test_the_same_seed_gives_the_same_weights() -> None:
    states = []
    for seed in (5, 5, 6):
        with torch_seed(seed):
            states.append(torch.cat([p.flatten() for p in random_small_mask_head().parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_token_logits_of_random_weights_start_small() -> None:
    with torch_seed(0):
        detector = Detector(random_small_detector(), small_tokenizer()).eval()
        pixel_values = torch.randn(1, 3, SMALL_DETECTOR_SIZE, SMALL_DETECTOR_SIZE)
    tokens = tokenize_captions([build_caption(["cyst", "benign lesion"])], detector.tokenizer, detector.max_tokens)
    with torch.no_grad():
        output = detector(pixel_values, tokens, with_earlier_layers=True)
    assert output.encoder is not None
    for layer in (output.last, *output.earlier, output.encoder):
        # unscaled they would spread like sqrt(d_model), more than 11
        assert np.std(layer.logits.numpy()) < 5


def test_words_get_tokens_in_unused_places() -> None:
    plain = small_tokenizer()
    more = with_words(plain, ["unborn", "child", "breast", "cranium"])
    assert plain.tokenize("unborn child")[:3] == ["u", "##n", "##b"]
    assert more.tokenize("Head of the unborn child. cranium?") == [
        *("head", "of", "the", "unborn", "child", ".", "cranium", "?"),
    ]
    assert len(more) == len(plain)
    changed = {token: index for token, index in more.vocab.items() if plain.vocab.get(token) != index}
    assert sorted(changed) == ["child", "cranium", "unborn"]
    assert {plain.convert_ids_to_tokens(index)[:7] for index in changed.values()} == {"[unused"}
    with pytest.raises(InputError, match=r"2000 words for 8\d\d unused places"):
        with_words(plain, [f"w{number}" for number in range(2000)])
