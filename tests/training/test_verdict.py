"""What is said of a run at its end, and of one that cannot have taught anything."""

from pathlib import Path

import pytest

from gdinousam.training.progress import Progress
from gdinousam.training.settings import LoopSettings
from gdinousam.training.verdict import Outcome, doubts, outcome_of, too_short


def settings(**values: object) -> LoopSettings:
    return LoopSettings.model_validate({"output_dir": Path("run"), "learning_rate": 1e-3, **values})


@pytest.mark.parametrize(("num_steps", "is_said"), [(1, True), (100, True), (101, False)])
def test_a_run_that_ends_within_its_warm_up_is_said(num_steps: int, is_said: bool) -> None:
    said = too_short(settings(warmup_steps=100), num_steps)
    if is_said:
        assert said is not None
        assert f"the run has {num_steps} optimizer steps and training.warmup_steps is 100" in said
        assert "never gets to 0.001" in said
    else:
        assert said is None


def test_a_run_without_warm_up_is_never_too_short() -> None:
    assert too_short(settings(), 1) is None


def test_the_end_of_a_run_names_the_epoch_of_its_weights() -> None:
    progress = Progress()
    for loss in (3.0, 1.5, 2.0):
        if progress.judge(loss):
            progress.best_change = 0.01
        progress.next_epoch()
    outcome = outcome_of("finished", progress, "best", "last", change_of_last=0.02)
    assert outcome == Outcome("finished", 3, "best", best_epoch=2, best_loss=1.5, change=0.01)
    assert outcome.told("val_loss") == "epoch 2, the best by val_loss (1.5000)"
    assert doubts(outcome, settings()) == []


def test_without_a_judged_epoch_the_last_one_is_named() -> None:
    outcome = outcome_of("finished", Progress(epoch=3), "best", "last", change_of_last=0.02)
    assert outcome == Outcome("finished", 3, "last", change=0.02)
    assert outcome.told("val_loss") == "epoch 3, the last"


def test_a_state_of_an_earlier_version_knows_no_best_epoch() -> None:
    state = Progress(epoch=2, best_loss=1.5).state_dict()
    for name in ("best_epoch", "best_change"):
        del state[name]
    progress = Progress()
    progress.load_state_dict(state)
    outcome = outcome_of("finished", progress, "best", "last", None)
    assert outcome.told("val_loss") == "an epoch that an earlier version did not note, the best by val_loss (1.5000)"


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome("finished", 9, "best", 1, 2.0), ["the best of 9 epochs is the first"]),
        (Outcome("finished", 1, "best", 1, 2.0), []),
        (Outcome("finished", 9, "best", 4, 2.0, change=0.0), ["changes nothing: at most 0 of a weight matrix"]),
        (Outcome("finished", 9, "last", change=1e-12), ["changes nothing: at most 1e-12 of a weight matrix"]),
        (Outcome("finished", 9, "best", 4, 2.0, change=1e-6), []),
    ],
)
def test_training_that_did_nothing_is_said(outcome: Outcome, said: list[str]) -> None:
    found = doubts(outcome, settings())
    assert len(found) == len(said) and all(part in whole for part, whole in zip(said, found, strict=True))
