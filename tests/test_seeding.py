"""Seeds: equal seeds give equal numbers, and drawing in one place does not shift another."""

import random

import numpy as np
import pytest
import torch

from gdinousam.runtime import derived_seed, seed_everything, torch_seed


@pytest.fixture(autouse=True)
def _restore_generators() -> object:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    torch.use_deterministic_algorithms(False)


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))


def test_equal_seeds_give_equal_numbers_everywhere() -> None:
    seed_everything(7)
    first = draw()
    assert draw() != first
    seed_everything(7)
    assert draw() == first
    seed_everything(8)
    assert all(one != other for one, other in zip(draw(), first, strict=True))


def test_seeds_larger_than_numpy_takes_are_legal() -> None:
    seed_everything(2**63 - 1)
    first = draw()
    seed_everything(2**63 - 1)
    assert draw() == first


@pytest.mark.parametrize("deterministic", [True, False])
def test_determinism_is_switched_on_and_off(deterministic: bool) -> None:
    seed_everything(0, deterministic)
    assert torch.are_deterministic_algorithms_enabled() == deterministic


def test_derived_seeds_depend_on_every_part_and_their_order() -> None:
    parts = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, "a"), ("a", 0), (0, 0, 0), (11,), (1, 1)]
    seeds = [derived_seed(*one) for one in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_derived_seeds_are_the_same_on_every_machine() -> None:
    # the first eight bytes of SHA-256 of "3/flip/12", halved
    assert derived_seed(3, "flip", 12) == 0x420C86E0BC59FDC0 >> 1


def test_torch_seed_draws_apart_from_the_generator_outside() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with torch_seed(5):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with torch_seed(5):
        assert torch.equal(torch.rand(3), inside)


def test_torch_seed_restores_the_generator_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(KeyError), torch_seed(5):
        torch.rand(3)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)
