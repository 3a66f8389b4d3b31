"""The parts of BiomedParse do what their descriptions say."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
import yaml
from biomedparse_files import small_biomedparse
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer
from torch import nn
from transformers import CLIPTokenizer

from gdinousam.errors import InputError
from gdinousam.methods.biomedparse.config import SMALL
from gdinousam.methods.biomedparse.layers import Attention, sine_positions
from gdinousam.methods.biomedparse.network import BiomedParse, EncodedImage, Found
from gdinousam.methods.biomedparse.text import EmbeddedTexts, clip_tokenizer, tokenize

SENTENCES = Path(__file__).parents[3] / "configs" / "prompts" / "biomedparse_sentences.yaml"
TEXTS = ["cyst", "benign tumor in breast ultrasound", "left heart ventricle"]


@pytest.fixture(scope="module")
def network() -> BiomedParse:
    return small_biomedparse()


@pytest.fixture(scope="module")
def image(network: BiomedParse) -> EncodedImage:
    generator = torch.Generator().manual_seed(0)
    side = SMALL.image_size
    return network.encode(torch.randn(1, 3, side, side, generator=generator))


def embedded(network: BiomedParse, texts: list[str]) -> EmbeddedTexts:
    return network.text_encoder([tokenize(text, SMALL.num_tokens) for text in texts])


def difference(first: Found, second: Found) -> float:
    return max(
        float((first.kernels - second.kernels).abs().max()),
        float((first.similarities - second.similarities).abs().max()),
    )


def test_maps_have_the_sizes_that_are_described(network: BiomedParse, image: EncodedImage) -> None:
    assert [level.shape[-1] for level in image.levels] == [4, 8, 16]
    assert image.pixels.shape == (1, SMALL.width, 32, 32)
    found = network.find(image, embedded(network, TEXTS))
    assert found.similarities.shape == (3, SMALL.num_queries) and found.kernels.shape == (3, SMALL.num_queries, 32)
    assert found.similarities.abs().max() <= 1 + 1e-6
    assert network.matched_logits(image, found).shape == (3, 32, 32)


def test_texts_in_one_pass_are_answered_as_in_a_call_of_their_own(network: BiomedParse, image: EncodedImage) -> None:
    together = network.find(image, embedded(network, TEXTS))
    for place, text in enumerate(TEXTS):
        alone = network.find(image, embedded(network, [text]))
        row = Found(together.similarities[place : place + 1], together.kernels[place : place + 1])
        assert difference(alone, row) < 1e-5
    logits = network.matched_logits(image, together)
    assert (logits[0] - logits[1]).abs().max() > 1e-2


def test_texts_in_one_sequence_influence_each_other(network: BiomedParse, image: EncodedImage) -> None:
    alone = embedded(network, TEXTS[:1])
    both = embedded(network, TEXTS[:2])
    tokens = both.tokens[both.is_token][None]
    shared = EmbeddedTexts(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool), alone.classes)
    assert difference(network.find(image, alone), network.find(image, shared)) > 1e-2


def test_what_fills_up_a_text_counts_for_nothing(network: BiomedParse, image: EncodedImage) -> None:
    texts = embedded(network, TEXTS)
    lengths = [len(tokenize(text, SMALL.num_tokens)) for text in TEXTS]
    assert texts.is_token.sum(dim=1).tolist() == lengths and len(set(lengths)) == 3
    noise = torch.where(texts.is_token[..., None], texts.tokens, torch.full_like(texts.tokens, 7.0))
    changed = EmbeddedTexts(noise, texts.is_token, texts.classes)
    assert difference(network.find(image, texts), network.find(image, changed)) < 1e-5


def test_a_text_is_embedded_the_same_beside_longer_ones(network: BiomedParse) -> None:
    together = embedded(network, TEXTS)
    for place, text in enumerate(TEXTS):
        alone = embedded(network, [text])
        assert torch.allclose(together.tokens[place][together.is_token[place]], alone.tokens[0], atol=1e-5)
        assert torch.allclose(together.classes[place], alone.classes[0], atol=1e-5)
        assert torch.equal(alone.classes[0], alone.tokens[0, -1])


def test_a_query_with_nothing_inside_looks_everywhere(network: BiomedParse, image: EncodedImage) -> None:
    nowhere = EncodedImage(image.levels, torch.zeros_like(image.pixels))
    everywhere = network.find(nowhere, embedded(network, TEXTS[:1]))  # logits of 0 count as inside
    blocked = small_biomedparse()
    last = blocked.query_decoder.mask_embed[2]
    last.weight.zero_()
    last.bias.fill_(-1.0)
    texts = embedded(blocked, TEXTS[:1])
    outside = EncodedImage(image.levels, torch.ones_like(image.pixels))
    # every mask is negative everywhere, so nothing is inside any
    assert torch.allclose(blocked.find(outside, texts).similarities, everywhere.similarities, atol=1e-5)


def test_attention_is_torch_s_own() -> None:
    width, num_heads = 32, 4
    generator = torch.Generator().manual_seed(3)
    ours, reference = Attention(width, num_heads), nn.MultiheadAttention(width, num_heads, batch_first=True)
    reference.load_state_dict(ours.state_dict())
    query, key, value = (torch.randn(2, count, width, generator=generator) for count in (5, 7, 7))
    looks = torch.rand(2, 1, 5, 7, generator=generator) > 0.4
    looks[..., 0] = True
    expected, _ = reference(query, key, value, attn_mask=~looks.expand(2, num_heads, 5, 7).flatten(0, 1))
    assert torch.allclose(ours(query, key, value, looks), expected, atol=1e-6)
    shared, _ = reference(query, key[:1].expand(2, -1, -1), value[:1].expand(2, -1, -1))
    assert torch.allclose(ours(query, key[:1], value[:1]), shared, atol=1e-6)
    causal, _ = reference(query, query, query, attn_mask=torch.ones(5, 5).triu(1).bool())
    assert torch.allclose(ours(query, query, query, is_causal=True), causal, atol=1e-6)


def test_positions_turn_once_along_each_side() -> None:
    positions = sine_positions(4, 8, 32, torch.device("cpu"))
    assert positions.shape == (4, 8, 32)
    for row in range(4):
        angle = 2 * math.pi * (row + 1) / 4
        assert positions[row, 5, :2].tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-5)
    for column in range(8):
        angle = 2 * math.pi * (column + 1) / 8 / 10000 ** (2 / 16)
        assert positions[1, column, 18:20].tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-5)


@pytest.fixture(scope="module")
def published_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    """The class that the official code uses, with CLIP's vocabulary."""
    folder = tmp_path_factory.mktemp("clip")
    source = SimpleTokenizer()
    special = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {special.get(token, token): number for token, number in source.encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    merges = sorted(source.bpe_ranks, key=source.bpe_ranks.__getitem__)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))


def test_sentences_have_the_tokens_of_the_published_tokenizer(published_tokenizer: CLIPTokenizer) -> None:
    sentences = yaml.safe_load(SENTENCES.read_text(encoding="utf-8"))["sentences"]
    for text in (*TEXTS, *sentences, *sentences.values(), "Birads-4 mass, 12mm", "l'utérus"):
        assert tokenize(text, 77) == published_tokenizer(text).input_ids, text


@settings(max_examples=100, deadline=None)
@given(text=st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789 -,/()'é", min_size=1, max_size=40))
def test_any_phrase_has_them(published_tokenizer: CLIPTokenizer, text: str) -> None:
    assert tokenize(text, 77) == published_tokenizer(text).input_ids


def test_known_tokens_of_clip() -> None:
    assert tokenize("a photo of a cat", 77) == [49406, 320, 1125, 539, 320, 2368, 49407]


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip.tokenizer", None)  # what Python takes for a module that is not there
    clip_tokenizer.cache_clear()
    with pytest.raises(InputError, match=r'^open_clip.* is not installed; run pip install "gdinousam\[biomedparse\]"$'):
        tokenize("cyst", 77)


def test_a_text_that_is_too_long_is_refused() -> None:
    assert len(tokenize("a " * 75, 77)) == 77
    with pytest.raises(InputError, match=r"has 78 tokens and BiomedParse reads 77; ask in fewer words$"):
        tokenize("a " * 76, 77)
