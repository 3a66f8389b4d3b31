"""The rule of the paper's public test scripts, and where it picks another box than ours."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.detector import LayerPrediction
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.detector.public_rule import KeptBoxes, PublicRuleSettings, public_boxes, public_text
from gdinousam.models.loading import load_detector
from gdinousam.models.small import small_tokenizer
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Image

SIZE_HW = (100, 200)
# boxes far apart, in thousandths: no two overlap
CENTRES = (0.1, 0.5, 0.9)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return small_tokenizer()


def ids(tokenizer: PreTrainedTokenizerBase, text: str) -> torch.Tensor:
    return torch.tensor(tokenizer(text)["input_ids"])


def prediction(probabilities: list[list[float]], centres: tuple[float, ...] = CENTRES) -> LayerPrediction:
    boxes = [[centre, centre, 0.1, 0.2] for centre in centres[: len(probabilities)]]
    return LayerPrediction(torch.tensor(probabilities).logit(), torch.tensor(boxes))


def kept_of(tokenizer: PreTrainedTokenizerBase, predicted: LayerPrediction, text: str) -> KeptBoxes:
    return public_boxes(predicted, ids(tokenizer, text), tokenizer, SIZE_HW, PublicRuleSettings())


@pytest.mark.parametrize(
    ("phrase", "text"),
    [(" Benign lesion ", "benign lesion."), ("cyst.", "cyst."), ("left  kidney", "left  kidney."), ("a. b", "a. b.")],
)
def test_the_caption_is_the_phrase_in_lower_case_with_a_full_stop(phrase: str, text: str) -> None:
    assert public_text(phrase) == text


def test_the_full_stop_and_the_special_tokens_count_for_the_score(tokenizer: PreTrainedTokenizerBase) -> None:
    # [CLS] cyst . [SEP]: ours picks the first box, whose word is strongest; theirs the second, for its full stop
    predicted = prediction([[0.01, 0.6, 0.05, 0.01], [0.01, 0.2, 0.8, 0.01], [0.7, 0.01, 0.01, 0.01]])
    kept = kept_of(tokenizer, predicted, "cyst.")
    assert kept.scores.tolist() == pytest.approx([0.8, 0.7, 0.6])
    assert kept.queries.tolist() == [1, 2, 0]
    # the strongest token of the second box is the full stop, so its words are those before it, here below 0.3
    assert kept.labels == ("", "", "cyst")


def test_the_largest_token_decides_where_ours_takes_the_mean(tokenizer: PreTrainedTokenizerBase) -> None:
    # [CLS] benign lesion . [SEP]: means 0.5 and 0.45, largest 0.5 and 0.8
    predicted = prediction([[0.01, 0.5, 0.5, 0.01, 0.01], [0.01, 0.8, 0.1, 0.01, 0.01]])
    kept = kept_of(tokenizer, predicted, "benign lesion.")
    assert kept.queries.tolist() == [1, 0]
    assert kept.labels == ("benign", "benign lesion")


def test_a_box_at_the_threshold_does_not_count(tokenizer: PreTrainedTokenizerBase) -> None:
    logits = torch.tensor([[-9.0, 0.0, -9.0, -9.0], [-9.0, 0.01, -9.0, -9.0]])
    predicted = LayerPrediction(logits, prediction([[0.5] * 4] * 2).boxes_cxcywh_norm)
    kept = public_boxes(predicted, ids(tokenizer, "cyst."), tokenizer, SIZE_HW, PublicRuleSettings(box_threshold=0.5))
    assert kept.queries.tolist() == [1]


def test_overlaps_are_suppressed_among_equal_words_only(tokenizer: PreTrainedTokenizerBase) -> None:
    # three boxes in one place: two with the words "benign lesion", one with "lesion"
    probabilities = [[0.01, 0.4, 0.6, 0.01, 0.01], [0.01, 0.1, 0.55, 0.01, 0.01], [0.01, 0.5, 0.5, 0.01, 0.01]]
    kept = kept_of(tokenizer, prediction(probabilities, (0.5, 0.5, 0.5)), "benign lesion.")
    assert kept.queries.tolist() == [0, 1]
    assert kept.labels == ("benign lesion", "lesion")


def test_words_are_those_between_the_full_stops_round_the_strongest(tokenizer: PreTrainedTokenizerBase) -> None:
    # [CLS] cyst . liver . [SEP]: both words are above 0.3, the strongest is the second
    kept = kept_of(tokenizer, prediction([[0.01, 0.5, 0.01, 0.6, 0.01, 0.01]]), "cyst. liver.")
    assert kept.labels == ("liver",)


def test_boxes_reach_beyond_the_image_and_padding_never_counts(tokenizer: PreTrainedTokenizerBase) -> None:
    logits = torch.tensor([[-5.0, 2.0, -5.0, -5.0, -torch.inf]])
    predicted = LayerPrediction(logits, torch.tensor([[0.0, 0.5, 0.2, 0.2]]))
    token_ids = torch.cat([ids(tokenizer, "cyst."), torch.tensor([tokenizer.pad_token_id])])
    kept = public_boxes(predicted, token_ids, tokenizer, SIZE_HW, PublicRuleSettings())
    assert kept.boxes_xyxy[0].tolist() == pytest.approx([-20, 40, 20, 60])
    assert kept.scores.tolist() == pytest.approx([0.8808], abs=1e-4)


def test_nothing_above_the_threshold_keeps_nothing(tokenizer: PreTrainedTokenizerBase) -> None:
    kept = kept_of(tokenizer, prediction([[0.05, 0.09, 0.05, 0.05]]), "cyst.")
    assert (len(kept.boxes_xyxy), kept.labels, kept.detections("cyst")) == (0, (), [])


@pytest.fixture(scope="module")
def finder(small_detector: Path) -> BoxFinder:
    return BoxFinder(load_detector(str(small_detector)), ResizeSettings(size=96), PredictionSettings())


def test_the_detector_runs_once_for_both_rules_unless_the_captions_differ(
    finder: BoxFinder, phantom_images: list[Image]
) -> None:
    captions: list[int] = []
    hook = finder.detector.grounding_dino.model.text_projection.register_forward_hook(
        lambda module, inputs, output: captions.append(len(output))
    )
    (found,) = finder.find_and_choose(phantom_images[:1], [["cyst", "benign lesion"]], [["cyst"]])
    assert sum(captions) == 2 and list(found.public_choices) == ["cyst"]
    # two blanks are one in our captions and two in theirs
    finder.find_and_choose(phantom_images[:1], [["left  kidney"]], [["left  kidney"]])
    hook.remove()
    assert sum(captions) == 2 + 2


def test_phrases_asked_by_the_public_rule_alone_are_answered(finder: BoxFinder, phantom_images: list[Image]) -> None:
    alone, nothing = finder.find_and_choose(phantom_images[:2], [[], []], [["cyst"], []])
    (beside,) = finder.find_and_choose(phantom_images[:1], [["cyst"]], [["cyst"]])
    assert alone.detections == nothing.detections == [] and nothing.public_choices == {}
    assert alone.public_choices["cyst"][0].box_xyxy == pytest.approx(beside.public_choices["cyst"][0].box_xyxy)
    scores = [one.score for one in alone.public_choices["cyst"]]
    assert scores == sorted(scores, reverse=True)
