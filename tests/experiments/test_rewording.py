"""Asking in other words changes the text that the method reads and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gdinousam.experiments.studies.rewording import AskedTogether, Reworded, only_phrases
from gdinousam.records import Answer, Detection, Image, ImageRecord, Instance, Mask, Need

IMAGE = np.zeros((4, 5, 3), np.uint8)
STONE, CYST = Instance("stone", (0, 0, 2, 2)), Instance("cyst", (1, 1, 2, 2))


class Listener:
    """Finds whatever it is asked for and remembers it."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self) -> None:
        self.heard: list[list[str]] = []
        self.mask_hw: Mask | None = np.arange(20).reshape(4, 5) % 3 == 1

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        self.heard += [list(row) for row in phrases]
        return [[Detection(phrase, (0, 0, 1, 1), 0.5, self.mask_hw) for phrase in row] for row in phrases]

    def segment_and_choose(
        self, images: Sequence[Image], phrases: Sequence[Sequence[str]], public_phrases: Sequence[Sequence[str]]
    ) -> list[Answer]:
        """The public rule keeps another box of everything but of what is soft."""
        kept = [
            {one: [Detection(one, (2, 2, 3, 3), 0.9, self.mask_hw)] * (one != "soft") for one in row}
            for row in public_phrases
        ]
        return [Answer(*one) for one in zip(self.segment(images, phrases), kept, strict=True)]


def record(name: str, *phrases: str) -> ImageRecord:
    return ImageRecord(Path(name), 5, 4, "A", None, (), phrases, phrases, phrases[-1])


STONES = [record("1.png", "stone"), record("2.png", "kidney stone")]


def test_the_method_hears_the_prompt_and_the_answer_carries_the_phrase() -> None:
    listener = Listener()
    reworded = Reworded(AskedTogether(listener, ["a hard thing"]), "a hard thing")
    found = reworded.segment_records([IMAGE, IMAGE], STONES)
    assert listener.heard == [["a hard thing"], ["a hard thing"]]
    assert [[one.phrase for one in row] for row in found] == [["stone"], ["kidney stone"]]
    assert reworded.needs == {"text"}


def test_the_prompts_of_a_phrase_are_asked_at_once_and_answered_one_by_one() -> None:
    listener = Listener()
    together = AskedTogether(listener, ["hard", "bright", "round"])
    answers = {}
    for prompt in ("hard", "bright", "round"):
        answers[prompt] = together.ask(prompt, [IMAGE, IMAGE], STONES)
        together.finish(prompt)
    assert listener.heard == [["hard", "bright", "round"]] * 2
    alone = Listener().segment([IMAGE, IMAGE], [["bright"]] * 2)
    for found, expected in zip(answers["bright"], alone, strict=True):
        for one, other in zip(found.detections, expected, strict=True):
            assert (one.phrase, one.box_xyxy, one.score) == (other.phrase, other.box_xyxy, other.score)
            np.testing.assert_array_equal(one.mask_hw, other.mask_hw)
            assert one.mask_hw is not None and one.mask_hw.dtype == bool


def test_a_finished_prompt_is_not_asked_again() -> None:
    listener = Listener()
    together = AskedTogether(listener, ["hard", "bright"])
    together.finish("hard")
    together.ask("bright", [IMAGE], STONES[:1])
    assert listener.heard == [["bright"]]


def test_a_detection_without_a_mask_stays_without() -> None:
    listener = Listener()
    listener.mask_hw = None
    together = AskedTogether(listener, ["hard", "bright"])
    assert [together.ask(one, [IMAGE], STONES[:1])[0].detections[0].mask_hw for one in ("hard", "bright")] == [
        None,
        None,
    ]


def test_several_phrases_of_an_image_get_one_answer_from_one_question() -> None:
    listener = Listener()
    (found,) = Reworded(AskedTogether(listener, ["hard"]), "hard").segment_records([IMAGE], [record("1.png", "a", "b")])
    assert listener.heard == [["hard"]]
    assert [one.phrase for one in found] == ["a", "b"] and found[0].box_xyxy == found[1].box_xyxy
    np.testing.assert_array_equal(found[0].mask_hw, found[1].mask_hw)


def test_what_the_public_scripts_keep_comes_with_the_last_phrase_of_images_with_an_object() -> None:
    with_object = ImageRecord(Path("1.png"), 5, 4, "A", None, (STONE,), (), ("stone",), "stone")
    images, records = [IMAGE] * 2, [with_object, record("2.png", "stone")]
    together = AskedTogether(Listener(), ["hard", "soft"])
    first, second = Reworded(together, "hard").segment_and_choose_records(images, records)
    (kept,) = first.public_choices["stone"]
    assert (kept.phrase, kept.box_xyxy, kept.score) == ("stone", (2, 2, 3, 3), 0.9) and kept.mask_hw is not None
    assert second.public_choices == {}
    # nothing kept is an answer too, and not the same as not being asked
    first, second = Reworded(together, "soft").segment_and_choose_records(images, records)
    assert first.public_choices == {"stone": []} and second.public_choices == {}


def test_only_what_belongs_to_the_phrases_is_left_of_a_record() -> None:
    both = ImageRecord(Path("1.png"), 5, 4, "A", "g", (STONE, CYST, STONE), (), ("stone", "cyst"), "cyst")
    absent = ImageRecord(
        Path("2.png"), 5, 4, "A", None, (CYST,), ("liver", "stone"), ("cyst", "liver", "stone"), "liver"
    )
    other = ImageRecord(Path("3.png"), 5, 4, "A", None, (CYST,), (), ("cyst",), "cyst")
    assert only_phrases([both, absent, other], ["stone"]) == [
        ImageRecord(Path("1.png"), 5, 4, "A", "g", (STONE, STONE), (), ("stone",), "stone"),
        ImageRecord(Path("2.png"), 5, 4, "A", None, (), ("stone",), ("stone",), "stone"),
    ]
    assert only_phrases([other], ["stone"]) == []
    assert only_phrases([both, absent], ["cyst", "stone"]) == [
        both,
        ImageRecord(Path("2.png"), 5, 4, "A", None, (CYST,), ("stone",), ("cyst", "stone"), "stone"),
    ]
