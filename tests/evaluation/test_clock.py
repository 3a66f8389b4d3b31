"""Stages inside each other add up, and methods that are watched are put back as they were."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from gdinousam.evaluation.timing.clock import Clock, watched

CPU = torch.device("cpu")


class Nested:
    """One call inside another, 20 ms in each."""

    def outer(self, extra: float = 0.0) -> str:
        time.sleep(0.02 + extra)
        return self.inner()

    def inner(self) -> str:
        time.sleep(0.02)
        return "answer"


def test_time_inside_another_stage_is_the_inner_ones() -> None:
    clock = Clock(CPU)
    start = time.perf_counter()
    with clock.running("outer"):
        time.sleep(0.02)
        with clock.running("inner"):
            time.sleep(0.05)
        time.sleep(0.02)
    whole = time.perf_counter() - start
    seconds = clock.take()
    assert 0.04 <= seconds["outer"] <= whole - 0.05
    assert 0.05 <= seconds["inner"] <= whole - 0.04
    assert sum(seconds.values()) == pytest.approx(whole, abs=1e-3)
    assert clock.take() == {}


def test_a_stage_that_runs_twice_adds_up_and_the_clock_starts_anew() -> None:
    clock = Clock(CPU)
    for _ in range(2):
        with clock.running("stage"):
            time.sleep(0.01)
    assert clock.take()["stage"] >= 0.02
    assert clock.take() == {}


def test_time_between_stages_is_nobodys() -> None:
    clock = Clock(CPU)
    start = time.perf_counter()
    with clock.running("first"):
        pass
    time.sleep(0.05)
    with clock.running("second"):
        pass
    assert sum(clock.take().values()) <= time.perf_counter() - start - 0.05


def test_a_stage_that_fails_ends() -> None:
    clock = Clock(CPU)
    with clock.running("outer"):
        with pytest.raises(ValueError, match="within"), clock.running("inner"):
            raise ValueError("within")
        time.sleep(0.03)
    assert clock.take()["outer"] >= 0.03


def test_watched_methods_count_and_are_put_back() -> None:
    nested, clock = Nested(), Clock(CPU)
    with watched([(nested, "outer", "a"), (nested, "inner", "b")], clock):
        assert nested.outer(extra=0.03) == "answer"
    seconds = clock.take()
    assert seconds["a"] >= 0.05 and seconds["b"] >= 0.02
    assert vars(nested) == {}
    nested.outer()
    assert clock.take() == {}


def test_a_method_that_was_replaced_before_is_watched_and_kept() -> None:
    module, clock = nn.Identity(), Clock(CPU)
    replaced = torch.neg
    module.forward = replaced
    with watched([(module, "forward", "stage")], clock):
        assert float(module(torch.tensor(2.0))) == -2.0
    assert clock.take()["stage"] > 0
    assert module.forward is replaced
