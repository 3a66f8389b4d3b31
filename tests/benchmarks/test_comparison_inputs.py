"""Generated inputs are what they say, and the memory of a block is seen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.inputs import MAX_WORDS, distinct_phrases, training_batch, write_images
from benchmarks.machine import machine_facts, seconds_kept_waiting, versions, watched_memory, weights_bytes
from benchmarks.speed.agreement import compare_answers, dice
from gdinousam.data.images import read_image
from gdinousam.models.small import small_tokenizer
from gdinousam.records import Detection

CPU = torch.device("cpu")


def test_images_have_the_size_and_come_again(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    first = [read_image(path) for path in write_images(tmp_path / "a", count=2, side=96, seed=3)]
    again = [read_image(path) for path in write_images(tmp_path / "b", count=2, side=96, seed=3)]
    assert all(image.shape == (96, 96, 3) for image in first)
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not np.array_equal(*first)


def test_phrases_are_distinct_and_every_word_is_one_token() -> None:
    phrases = distinct_phrases(40)
    assert len(set(phrases)) == 40
    assert {len(phrase.split()) for phrase in phrases} == set(range(1, MAX_WORDS + 1))
    assert phrases[:20] == distinct_phrases(20)
    tokenizer = small_tokenizer()
    for phrase in phrases:
        assert len(tokenizer(phrase)["input_ids"]) == len(phrase.split()) + 2


def test_a_training_batch_has_boxes_and_one_caption() -> None:
    batch = training_batch(count=3, side=96)
    assert batch.pixel_values.shape == (3, 3, 96, 96) and batch.pixel_mask is None
    assert batch.num_boxes >= 3
    assert len({example.phrases for example in batch.examples}) == 1
    for example in batch.examples:
        assert len(example.phrase_indices) == len(example.boxes_cxcywh_norm)
        assert ((example.boxes_cxcywh_norm > 0) & (example.boxes_cxcywh_norm < 1)).all()


def test_the_memory_of_a_block_is_seen_and_not_what_was_there_before() -> None:
    held = torch.ones(50 * 2**18)  # 50 MiB
    with watched_memory(CPU) as peak:
        torch.ones(100 * 2**18).sum()  # 100 MiB
    if peak.extra_bytes is None:
        pytest.skip("this system does not tell the memory of a process")
    assert 90 * 2**20 < peak.extra_bytes < 140 * 2**20
    with watched_memory(CPU) as peak:
        held.sum()
    assert peak.extra_bytes is not None and peak.extra_bytes < 20 * 2**20


def test_waiting_for_the_processor_is_counted() -> None:
    if not seconds_kept_waiting():
        pytest.skip("this system does not tell how long threads wait")
    code = "import time; end = time.perf_counter() + 1.5\nwhile time.perf_counter() < end: pass"
    core = min(os.sched_getaffinity(0))
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # the child shares our one core
    try:
        with subprocess.Popen([sys.executable, "-c", code]):
            before, end = seconds_kept_waiting(), time.perf_counter() + 1
            while time.perf_counter() < end:
                pass
            assert seconds_kept_waiting() - before > 0.2
    finally:
        os.sched_setaffinity(0, allowed)


def test_shared_weights_count_once() -> None:
    layer = nn.Linear(3, 2)
    assert weights_bytes(layer, nn.ModuleList([layer, layer])) == 4 * (6 + 2)


def test_the_machine_and_the_versions_are_named() -> None:
    facts = machine_facts(CPU)
    assert facts["threads"] == str(torch.get_num_threads()) and facts["processor"] and facts["bfloat16"]
    assert versions()["torch"] == torch.__version__.split("+")[0]


def detection(box_xyxy: tuple[float, float, float, float], columns: slice, score: float = 0.5) -> Detection:
    mask_hw = np.zeros((10, 10), dtype=bool)
    mask_hw[:, columns] = True
    return Detection("cyst", box_xyxy, score, mask_hw)


def test_answers_are_compared_by_image_and_prompt() -> None:
    one, two = (Path("a"), "cyst"), (Path("b"), "cyst")
    official = {one: detection((0, 0, 4, 10), slice(0, 4)), two: detection((0, 0, 4, 10), slice(0, 4))}
    ours = {one: official[one], two: detection((4, 0, 8, 10), slice(2, 6), score=0.25)}
    found = {agreement.output: agreement for agreement in compare_answers("ours", ours, official)}
    same, masks, score = (found[name] for name in ("same box (IoU at least 0.9)", "Dice of the masks", "score"))
    assert (same.worst, same.mean, same.num_compared) == (0.0, 0.5, 2)
    assert (masks.worst, masks.mean) == (0.5, 0.75)
    assert score.worst == 0.25
    alike = found["Dice of the masks where the box is the same"]
    assert (alike.worst, alike.num_compared) == (1.0, 1)
    assert compare_answers("ours", {}, official) == []


def test_dice_of_empty_masks_is_one() -> None:
    empty, full = np.zeros((2, 2), dtype=bool), np.ones((2, 2), dtype=bool)
    assert (dice(empty, empty), dice(empty, full), dice(full, full)) == (1.0, 0.0, 1.0)
