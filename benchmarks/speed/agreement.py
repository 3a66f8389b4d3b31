"""How far our answers are from the official ones, in the very precision and by the very calls that are timed.

With random weights many of the encoder's proposals are as good as each other, and so are many boxes: low precision
changes which 900 become queries and which query is best, and then whole pipelines answer with different boxes though
each is right. So three things are compared. Given the same proposals: the token logits and boxes of every query. Given
the same box: the mask. And the whole pipelines as they are, where other choices count as differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torchvision.ops import box_iou

from benchmarks.parity.rows import largest_difference
from benchmarks.parity.topk import RecordTopk, ReplayTopk
from benchmarks.speed.comparison import Agreement, agreement_of
from benchmarks.speed.official import OfficialAnswer, OfficialStack
from benchmarks.speed.programs import OurPipeline
from gdinousam.preprocessing import boxes_xyxy_pixels
from gdinousam.records import Detection, Image, Mask

SAME_BOX_IOU = 0.9  # boxes that overlap so much are one choice
# what both sides were given
_PROPOSALS, _BOX, _INPUT = "the same proposals", "the same box", "the image and the prompt"
_DICE = "Dice of the masks"


def compare_parts(
    official: OfficialStack, ours: Sequence[OurPipeline], paths: Sequence[Path], phrases: Sequence[str]
) -> tuple[list[Agreement], list[str]]:
    """Compare on each image, with one phrase each, what the detector says of every query and the mask in one box.

    Returns the agreements of each of ours and sentences about the size of the official numbers.
    """
    values: dict[str, dict[tuple[str, str], list[float]]] = {one.name: {} for one in ours}
    sizes: list[tuple[float, float]] = []
    for path, phrase in zip(paths, phrases, strict=True):
        picture = PIL.Image.open(path).convert("RGB")
        with RecordTopk() as record:
            answer = official.segment(picture, phrase)
        (choice,) = record.choices
        valid = answer.logits.isfinite()
        sizes.append((float(answer.logits[valid].std()), float(answer.mask_logits.std())))
        for one in ours:
            found = _differences(answer, one, np.asarray(picture), phrase, choice)
            for key, value in found.items():
                values[one.name].setdefault(key, []).append(value)
    agreements = [
        agreement_of(name, output, given, "agreement" if output == _DICE else "difference", numbers)
        for name, of_program in values.items()
        for (given, output), numbers in of_program.items()
    ]
    logits, masks = np.mean(sizes, axis=0)
    remark = (
        f"Standard deviation of the official token logits {logits:.2f}, of the mask logits {masks:.2f}; weights are "
        "random, so that scores lie close together and say nothing about images."
    )
    return agreements, [remark]


def compare_answers(
    program: str,
    answers: Mapping[tuple[Path, str], Detection],
    official: Mapping[tuple[Path, str], Detection],
) -> list[Agreement]:
    """Compare whole pipelines: answers by image and prompt, those that both have; none give no agreements."""
    pairs = [(answers[key], official[key]) for key in official if key in answers]
    if not pairs:
        return []
    overlaps = [float(box_iou(torch.tensor([a.box_xyxy]), torch.tensor([b.box_xyxy]))) for a, b in pairs]
    same = [float(overlap >= SAME_BOX_IOU) for overlap in overlaps]
    dices = [dice(_mask_of(a), _mask_of(b)) for a, b in pairs]
    agreements = [
        agreement_of(program, f"same box (IoU at least {SAME_BOX_IOU})", _INPUT, "agreement", same),
        agreement_of(program, _DICE, _INPUT, "agreement", dices),
        agreement_of(program, "score", _INPUT, "difference", [abs(a.score - b.score) for a, b in pairs]),
    ]
    alike = [value for value, is_same in zip(dices, same, strict=True) if is_same]
    if alike:
        agreements.append(agreement_of(program, f"{_DICE} where the box is the same", _INPUT, "agreement", alike))
    return agreements


def dice(one_hw: Mask, other_hw: Mask) -> float:
    """Twice the common area over the sum of both, in [0, 1]; 1 for two empty masks."""
    total = int(one_hw.sum()) + int(other_hw.sum())
    return 2 * int((one_hw & other_hw).sum()) / total if total else 1.0


def _differences(
    official: OfficialAnswer, ours: OurPipeline, image: Image, phrase: str, choice: torch.Tensor
) -> dict[tuple[str, str], float]:
    """By (what was given, output): the largest difference of our answer, or the Dice of the masks."""
    size_hw = image.shape[:2]
    finder, mask_head = ours.segmenter.box_finder, ours.segmenter.mask_head
    replay = ReplayTopk([choice])
    with _overheard(finder, "choose") as asked, replay:
        ours.segment(image, [phrase])
    assert not replay.remaining, "our detector chooses proposals once"
    (((prediction, *_), _),) = asked
    boxes = boxes_xyxy_pixels(prediction.boxes_cxcywh_norm.float().cpu(), size_hw)
    official_boxes = boxes_xyxy_pixels(official.boxes_cxcywh_norm, size_hw)
    with _overheard(mask_head, "answer") as decoded:
        ((mask,),) = mask_head.masks_in_boxes([image], [torch.tensor([official.box_xyxy])])
    ((_, answered),) = decoded
    mask_logits = mask_head.logits_of_size(answered.low_res_logits.float(), size_hw)[0].cpu()
    return {
        (_PROPOSALS, "score of a proposal"): replay.largest_difference,
        (_PROPOSALS, "token logits"): largest_difference(prediction.logits.float().cpu(), official.logits),
        (_PROPOSALS, "boxes of all queries, pixels"): largest_difference(boxes, official_boxes),
        (_PROPOSALS, "mean over the queries of the box difference, pixels"): float(
            (boxes - official_boxes).abs().mean()
        ),
        (_BOX, "mask logits"): largest_difference(mask_logits, official.mask_logits),
        (_BOX, _DICE): dice(mask, (official.mask_logits > 0).numpy()),
    }


@contextmanager
def _overheard(owner: Any, name: str) -> Iterator[list[tuple[tuple[Any, ...], Any]]]:
    """Note arguments and results of a method's calls while the block runs."""
    calls: list[tuple[tuple[Any, ...], Any]] = []
    method: Callable[..., Any] = getattr(owner, name)

    def noted(*arguments: Any) -> Any:
        result = method(*arguments)
        calls.append((arguments, result))
        return result

    setattr(owner, name, noted)
    try:
        yield calls
    finally:
        delattr(owner, name)


def _mask_of(detection: Detection) -> Mask:
    assert detection.mask_hw is not None, "both pipelines give masks"
    return detection.mask_hw
