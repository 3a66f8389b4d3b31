"""Schedules: the learning rate by hand at a few steps."""

import math
from pathlib import Path

import pytest
import torch

from gdinousam.training.schedule import build_schedule
from gdinousam.training.settings import TrainingSettings

PEAK = 1e-3


def rates(num_steps: int, num_whole: int | None = None, **settings: object) -> list[float]:
    """The learning rate of each of ``num_steps`` optimizer steps, and what it would be after the last."""
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=PEAK)
    training = TrainingSettings(output_dir=Path(), learning_rate=PEAK, **settings)
    schedule = build_schedule(optimizer, training, num_steps, num_whole or num_steps)
    seen = [optimizer.param_groups[0]["lr"]]
    for _ in range(num_steps):
        optimizer.step()
        schedule.step()
        seen.append(optimizer.param_groups[0]["lr"])
    return seen


def test_constant_stays() -> None:
    assert rates(5) == [PEAK] * 6


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_rises_evenly_to_the_peak(schedule: str) -> None:
    assert rates(20, schedule=schedule, warmup_steps=4)[:5] == pytest.approx(
        [0, PEAK / 4, PEAK / 2, 3 * PEAK / 4, PEAK]
    )


def test_linear_falls_evenly_to_zero() -> None:
    assert rates(12, schedule="linear", warmup_steps=2)[2:] == pytest.approx(
        [PEAK * left / 10 for left in range(10, -1, -1)]
    )


def test_cosine_falls_along_half_a_wave_to_zero() -> None:
    seen = rates(8, schedule="cosine")
    assert seen == pytest.approx([PEAK * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(9)], abs=1e-12)
    assert seen[4] == pytest.approx(PEAK / 2) and seen[8] == pytest.approx(0, abs=1e-12)


def test_one_cycle_starts_low_peaks_at_three_tenths_and_ends_near_zero() -> None:
    # torch's defaults: from a 25th of the peak, up for 30 % of the steps, down to a 10,000th of the start
    seen = rates(20, schedule="one_cycle")
    assert seen[0] == pytest.approx(PEAK / 25)
    assert seen[5] == max(seen) == pytest.approx(PEAK)
    assert seen[19] == pytest.approx(PEAK / 25 / 1e4)


def test_one_cycle_of_the_public_code_peaks_at_a_tenth() -> None:
    seen = rates(20, schedule="one_cycle", one_cycle={"pct_start": 0.1})
    assert seen[1] == max(seen) == pytest.approx(PEAK)
    assert seen[0] == pytest.approx(PEAK / 25) and seen[19] == pytest.approx(PEAK / 25 / 1e4)


def test_one_cycle_over_whole_batches_ends_before_the_run_and_stays() -> None:
    seen = rates(20, num_whole=10, schedule="one_cycle", one_cycle={"pct_start": 0.2, "whole_batches": True})
    assert seen[:10] == pytest.approx(rates(10, schedule="one_cycle", one_cycle={"pct_start": 0.2})[:10])
    assert set(seen[9:]) == {seen[9]} and seen[9] == pytest.approx(PEAK / 25 / 1e4)


def test_one_cycle_whose_rise_is_a_single_step_begins_at_the_peak() -> None:
    seen = rates(10, schedule="one_cycle", one_cycle={"pct_start": 0.1})
    assert seen[0] == pytest.approx(PEAK) and seen[9] == pytest.approx(PEAK / 25 / 1e4)
