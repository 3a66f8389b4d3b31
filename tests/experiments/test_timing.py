"""The clock counts what it should, and the pipeline is the same object before and after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from gdinousam.data.contract.reading import read_records
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.methods import Untimed
from gdinousam.evaluation.timing.measurement import DECODE, DETECTOR, MASK_HEAD, METHOD
from gdinousam.experiments.timing import time_batches
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Detection, Image, ImageRecord, Need

CPU = torch.device("cpu")


class Sleeper:
    """A method that takes 10 ms per image; it notes what it was asked and the seconds of each call."""

    needs: frozenset[Need] = frozenset({"text"})

    def __init__(self) -> None:
        self.asked: list[list[tuple[str, ...]]] = []
        self.seconds: list[float] = []

    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        start = time.perf_counter()
        time.sleep(0.01 * len(images))
        self.asked.append([tuple(row) for row in phrases])
        self.seconds.append(time.perf_counter() - start)
        return [[] for _ in images]


@pytest.fixture(scope="module")
def records(phantom_data: Path) -> tuple[ImageRecord, ...]:
    return read_records(phantom_data / "test.CSV", phantom_data / "test_image")


def test_seconds_are_per_image_and_the_first_call_is_apart(records: tuple[ImageRecord, ...]) -> None:
    method = Sleeper()
    first, batches = time_batches(method, records, CPU, batch_size=3, num_batches=4, num_warm_up=2)
    assert len(method.asked) == 1 + 2 + 4 and len(batches) == 4
    assert first.keys() == batches[0].keys() == {DECODE, METHOD}
    counted = [first, *batches]
    for stages, seconds in zip(counted, [method.seconds[0], *method.seconds[3:]], strict=True):
        assert seconds / 3 <= stages[METHOD] < seconds / 2
        assert stages[DECODE] > 0


def test_a_method_that_keeps_its_answers_is_not_timed(records: tuple[ImageRecord, ...]) -> None:
    class Keeper(Sleeper, Untimed):
        """Answers from earlier runs."""

    with pytest.raises(InputError, match=r"a time says nothing; set baseline\.kept_maps=null"):
        time_batches(Keeper(), records, CPU, batch_size=1, num_batches=1, num_warm_up=0)


def test_every_batch_is_full_and_asks_one_phrase_per_image(records: tuple[ImageRecord, ...]) -> None:
    method = Sleeper()
    time_batches(method, records, CPU, batch_size=3, num_batches=2, num_warm_up=0)
    asked = [phrases for batch in method.asked for phrases in batch]
    assert asked == [(record.last_phrase,) for record in [*records, *records, *records][:9]]


def test_the_stages_of_the_pipeline_are_timed_and_it_is_left_as_it_was(
    records: tuple[ImageRecord, ...], small_detector: Path, small_mask_head: Path
) -> None:
    segmenter: TextSegmenter = load_segmenter(
        str(small_detector), str(small_mask_head), resize=ResizeSettings(size=96), device="cpu"
    )
    _, batches = time_batches(segmenter, records, CPU, batch_size=1, num_batches=2, num_warm_up=0)
    for batch in batches:
        assert batch.keys() == {DECODE, DETECTOR, MASK_HEAD, METHOD}
        assert batch[DETECTOR] > 0 and batch[MASK_HEAD] > 0 and batch[DETECTOR] + batch[MASK_HEAD] <= batch[METHOD]
    assert "find_and_choose" not in vars(segmenter.box_finder)
    assert "segment_hints" not in vars(segmenter.mask_head)


def test_nothing_to_time_is_an_error() -> None:
    with pytest.raises(InputError, match="no images to time"):
        time_batches(Sleeper(), [], CPU, 1, 1, 0)
