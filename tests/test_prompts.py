"""Prompts: the phrase that comes back is the one that was asked for, and its tokens are its own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gdinousam.errors import InputError
from gdinousam.identity import phrases_in
from gdinousam.models.small import SEPARATOR_TOKENS, small_tokenizer
from gdinousam.prompts import (
    TokenizedCaptions,
    build_caption,
    build_public_caption,
    caption_form,
    phrase_scores,
    positive_map,
    split_into_captions,
    strongest_token,
    tokenize_captions,
)

TOKENIZER = small_tokenizer()
PADDING = 0
MAX_TOKENS = 64


def tokenize(*captions: list[str], max_tokens: int = MAX_TOKENS) -> TokenizedCaptions:
    return tokenize_captions([build_caption(phrases) for phrases in captions], TOKENIZER, max_tokens)


def words_of_phrases(tokenized: TokenizedCaptions, row: int = 0) -> list[str]:
    """What the tokens of each phrase of a caption spell."""
    ids = tokenized.input_ids[row]
    return [TOKENIZER.decode(ids[tokens]) for tokens in tokenized.phrase_tokens[row]]


def test_phrases_are_joined_with_a_full_stop_after_each() -> None:
    caption = build_caption(["Kidney", "benign lesion"])
    assert caption.text == "kidney. benign lesion."
    assert caption.phrases == ("Kidney", "benign lesion")
    assert caption.spans == ((0, 6), (8, 21))


def test_no_phrases_give_the_empty_caption() -> None:
    caption = build_caption([])
    assert (caption.text, caption.phrases, caption.spans) == ("", (), ())
    tokenized = tokenize([])
    assert tokenized.phrase_tokens[0].shape == (0, 2)  # [CLS] and [SEP]


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("kidney", "kidney"),
        ("Benign LESION", "benign lesion"),
        ("  left\tkidney\n", "left kidney"),
        ("kidney.", "kidney"),
        ("...kidney??", "kidney"),
        ("vs. cyst", "vs cyst"),
        ("is it a cyst? or a mass", "is it a cyst or a mass"),
        ("cyst, simple", "cyst, simple"),
        ("crohn's bowel", "crohn's bowel"),
        ("well-defined mass", "well - defined mass"),
        ("(small) cyst;", "( small ) cyst ;"),
        ("rénal cÿst", "renal cyst"),
        ("kid\u200bney", "kidney"),
        ("[SEP] cyst [CLS]", "[ sep ] cyst [ cls ]"),
    ],
)
def test_the_tokens_of_a_phrase_spell_its_words(phrase: str, words: str) -> None:
    before, after = "liver", "left kidney capsule"
    tokenized = tokenize([before, phrase, after])
    assert words_of_phrases(tokenized) == [before, words, after]


def test_unknown_characters_keep_their_place() -> None:
    tokenized = tokenize(["\U0001fac0 heart", "肝"])
    assert words_of_phrases(tokenized) == ["[UNK] heart", "[UNK]"]


def test_a_phrase_within_another_has_tokens_of_its_own() -> None:
    tokenized = tokenize(["kidney", "kidney capsule", "capsule"])
    tokens = tokenized.phrase_tokens[0]
    assert words_of_phrases(tokenized) == ["kidney", "kidney capsule", "capsule"]
    assert int(tokens.sum(dim=0).max()) == 1, "two phrases claim one token"


def test_repeated_phrases_share_their_tokens_and_come_back_as_given() -> None:
    caption = build_caption(["Cyst", "kidney", "cyst", " cyst. "])
    assert caption.text == "cyst. kidney."
    assert caption.phrases == ("Cyst", "kidney", "cyst", " cyst. ")
    tokens = tokenize(list(caption.phrases)).phrase_tokens[0]
    assert torch.equal(tokens[0], tokens[2]) and torch.equal(tokens[0], tokens[3])
    assert not (tokens[0] & tokens[1]).any()


def test_shorter_captions_of_a_batch_are_padded_on_the_right() -> None:
    tokenized = tokenize(["kidney"], ["kidney", "benign lesion"])
    assert tokenized.input_ids.shape == tokenized.attention_mask.shape == tokenized.token_type_ids.shape == (2, 7)
    assert tokenized.attention_mask[0].tolist() == [1, 1, 1, 1, 0, 0, 0]
    assert [tokens.shape for tokens in tokenized.phrase_tokens] == [(1, 7), (2, 7)]
    assert words_of_phrases(tokenized, 0) == ["kidney"]
    assert words_of_phrases(tokenized, 1) == ["kidney", "benign lesion"]


def test_moving_to_a_device_moves_everything() -> None:
    moved = tokenize(["kidney"]).to(torch.device("meta"))
    tensors = (moved.input_ids, moved.attention_mask, moved.token_type_ids, *moved.phrase_tokens)
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.parametrize("phrase", ["", "  ", ".", "?!", "-", "\U0001fac0"])
def test_a_phrase_without_letter_or_digit_is_refused(phrase: str) -> None:
    with pytest.raises(InputError, match="no letter or digit"):
        build_caption(["kidney", phrase])


def test_a_caption_longer_than_the_text_is_refused() -> None:
    with pytest.raises(InputError, match=r"3 phrases takes 8 tokens, the model reads 7.*'kidney\. liver"):
        tokenize(["kidney", "liver", "cyst"], max_tokens=7)


def test_phrases_are_parted_into_the_fewest_captions_that_fit() -> None:
    phrases = ["kidney", "liver", "cyst", "benign lesion"]
    groups = split_into_captions(phrases, TOKENIZER, max_tokens=7)
    assert groups == [("kidney", "liver"), ("cyst", "benign lesion")]
    tokenize(*map(list, groups), max_tokens=7)


def test_repeated_phrases_take_no_room() -> None:
    assert split_into_captions(["kidney", "Kidney", "kidney."], TOKENIZER, max_tokens=4) == [
        ("kidney", "Kidney", "kidney.")
    ]


def test_no_phrases_need_no_caption() -> None:
    assert split_into_captions([], TOKENIZER, max_tokens=4) == []


def test_a_phrase_that_is_too_long_alone_is_refused() -> None:
    with pytest.raises(InputError, match=r"'benign lesion of the'\.\.\. takes 7 tokens, the model reads 6; shorten"):
        split_into_captions(["kidney", "benign lesion of the"], TOKENIZER, max_tokens=6)


@pytest.mark.parametrize("phrase", ["cyst. mass.", "cyst . solid mass . ", "cyst.\nmass."])
def test_several_phrases_written_as_one_are_refused_with_each_of_them(phrase: str) -> None:
    with pytest.raises(InputError, match=r"reads as 2 phrases; give each as its own: cyst, (solid )?mass$"):
        build_caption([phrase])


PHRASES = st.lists(
    st.one_of(
        st.sampled_from(["kidney", "Kidney", "kidney capsule", "capsule", "cyst.", "[SEP]", "naïve"]),
        st.text(st.sampled_from("aZé7 .?,'-\u0301\u200b🙂肝"), min_size=1, max_size=12),
        st.text(min_size=1, max_size=8),
    ).filter(lambda phrase: any(map(str.isalnum, phrase)) and len(phrases_in(phrase)) == 1),
    min_size=1,
    max_size=6,
)


@given(PHRASES)
def test_every_phrase_has_tokens_within_its_span_and_no_others(phrases: list[str]) -> None:
    caption = build_caption(phrases)
    tokenized = tokenize_captions([caption, build_caption(["kidney"] * 3 + ["liver", "cyst"])], TOKENIZER, 512)
    ids, tokens = tokenized.input_ids[0], tokenized.phrase_tokens[0]
    offsets = TOKENIZER(caption.text, return_offsets_mapping=True)["offset_mapping"]

    assert caption.phrases == tuple(phrases)
    by_form = dict(zip(map(caption_form, phrases), zip(caption.spans, tokens, strict=True), strict=True))
    assert len({span for span, _ in by_form.values()}) == len(by_form), "two forms share a span"
    assert int(sum(row.int() for _, row in by_form.values()).max()) == 1, "two forms share a token"
    for phrase, span, row in zip(phrases, caption.spans, tokens, strict=True):
        assert caption.text[slice(*span)] == caption_form(phrase)
        assert row.any()
        inside = [offsets[index] for index in row.nonzero().flatten().tolist()]
        assert all(span[0] <= start < end <= span[1] for start, end in inside)
    forbidden = torch.tensor([PADDING, *SEPARATOR_TOKENS.values()])
    assert not torch.isin(ids[tokens.any(dim=0)], forbidden).any()
    # and nothing of a phrase is left out: what belongs to no phrase are separators and padding
    assert torch.isin(ids[~tokens.any(dim=0)], forbidden).all()


@given(PHRASES)
def test_parting_keeps_every_phrase_in_order(phrases: list[str]) -> None:
    groups = split_into_captions(phrases, TOKENIZER, max_tokens=20)
    assert [phrase for group in groups for phrase in group] == phrases
    tokenize(*map(list, groups), max_tokens=20)


def test_positive_map_lights_up_the_tokens_of_each_instance() -> None:
    phrase_tokens = torch.tensor([[0, 1, 0, 0, 0], [0, 0, 0, 1, 1]], dtype=torch.bool)
    targets = positive_map(phrase_tokens, torch.tensor([1, 0, 1]))
    assert targets.dtype == torch.float32
    assert targets.tolist() == [[0, 0, 0, 1, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]]
    assert positive_map(phrase_tokens, torch.tensor([], dtype=torch.int64)).shape == (0, 5)


def test_scores_are_the_mean_over_the_tokens_of_a_phrase() -> None:
    probabilities = torch.tensor([[0.9, 0.5, 0.1, 0.3], [0.0, 1.0, 0.25, 0.75]])
    phrase_tokens = torch.tensor([[0, 1, 0, 0], [0, 0, 1, 1]], dtype=torch.bool)
    torch.testing.assert_close(phrase_scores(probabilities, phrase_tokens), torch.tensor([[0.5, 0.2], [1.0, 0.5]]))
    torch.testing.assert_close(strongest_token(probabilities, phrase_tokens), torch.tensor([[0.5, 0.3], [1.0, 0.75]]))


def test_permuting_phrases_permutes_scores() -> None:
    probabilities = torch.rand(5, 4, generator=torch.Generator().manual_seed(0))
    phrase_tokens = torch.tensor([[0, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 0]], dtype=torch.bool)
    order = torch.tensor([2, 0, 1])
    for score in (phrase_scores, strongest_token):
        torch.testing.assert_close(
            score(probabilities, phrase_tokens[order]), score(probabilities, phrase_tokens)[:, order]
        )


@pytest.mark.parametrize(
    "phrases",
    [
        ("Benign lesion",),
        ("kidney", "Benign  lesion ", "kidney"),
        ("benign lesion", "BENIGN lesion", "malignant lesion", "benign lesion"),
    ],
)
def test_the_public_caption_and_its_tokens_are_the_official_ones(phrases: tuple[str, ...]) -> None:
    official = pytest.importorskip("groundingdino.util.vl_utils", reason="needs groundingdino-py")
    words = [" ".join(phrase.lower().split()) for phrase in phrases]  # as the public code does before
    text, spans = official.build_captions_and_token_span(words, force_lowercase=True)
    caption = build_public_caption(phrases)
    assert (caption.text, caption.phrases) == (text, phrases)
    tokenizer = small_tokenizer()
    theirs = official.create_positive_map_from_span(tokenizer(text), [spans[one] for one in words])
    (ours,) = tokenize_captions([caption], tokenizer, 256).phrase_tokens
    assert torch.equal(theirs[:, : ours.shape[1]] > 0, ours)


def test_a_phrase_without_a_word_is_in_no_public_caption() -> None:
    with pytest.raises(InputError, match="has no letter or digit"):
        build_public_caption(("cyst", " . "))
