"""Progress: early stopping, and the way through a checkpoint."""

import json
import math

import pytest
import torch

from gdinousam.errors import InputError
from gdinousam.training.progress import Progress


def test_the_best_loss_resets_patience() -> None:
    progress = Progress()
    judged = [(progress.judge(loss), progress.epochs_since_best) for loss in (3.0, 2.0, 2.5, 2.0, 1.0)]
    assert judged == [(True, 0), (True, 0), (False, 1), (False, 2), (True, 0)]
    assert progress.best_loss == 1.0


def test_a_loss_that_is_no_number_is_never_the_best() -> None:
    progress = Progress()
    progress.judge(2.0)
    assert not progress.judge(math.nan)
    assert (progress.best_loss, progress.epochs_since_best) == (2.0, 1)
    assert not Progress().judge(math.nan)


def test_terms_are_summed_without_their_graph() -> None:
    progress = Progress()
    for value, boxes in ((1.0, 3), (2.5, 0)):
        progress.add({"l1": torch.tensor(value, requires_grad=True)}, {"boxes": boxes})
    assert progress.sums["l1"].item() == 3.5 and not progress.sums["l1"].requires_grad
    assert progress.counts == {"boxes": 3}


def test_the_next_epoch_starts_with_nothing_summed() -> None:
    progress = Progress(epoch=4, batches_done=7, step=35, best_loss=1.0, epochs_since_best=2)
    progress.add({"l1": torch.tensor(1.0)}, {"boxes": 1})
    progress.next_epoch()
    assert progress == Progress(epoch=5, batches_done=0, step=35, best_loss=1.0, epochs_since_best=2)


def test_state_survives_a_checkpoint() -> None:
    progress = Progress(epoch=3, batches_done=5, step=41, best_loss=0.123456789012345, epochs_since_best=2)
    for value in (0.1, 0.2, 0.7):
        progress.add({"l1": torch.tensor(value), "focal": torch.tensor(2 * value)}, {"boxes": 2, "images": 1})
    restored = Progress()
    restored.load_state_dict(json.loads(json.dumps(progress.state_dict())))
    assert restored == progress
    for both in (progress, restored):
        both.add({"l1": torch.tensor(0.3), "focal": torch.tensor(0.6)}, {"boxes": 1, "images": 1})
    assert restored == progress


def test_a_fresh_state_survives_a_checkpoint() -> None:
    restored = Progress(epoch=9, sums={"l1": torch.tensor(1.0)}, counts={"boxes": 1})
    restored.load_state_dict(Progress().state_dict())
    assert restored == Progress() and restored.best_loss == math.inf


def test_a_run_of_other_processes_is_refused() -> None:
    of_two = Progress(num_processes=2).state_dict()
    with pytest.raises(
        InputError, match=r"trained by 2 processes, and 1 would .* --nproc_per_node=2 train\.py --resume"
    ):
        Progress().load_state_dict(of_two)
    with pytest.raises(InputError, match=r"trained by 1 process, and 2 would"):
        Progress(num_processes=2).load_state_dict(Progress().state_dict())
    restored = Progress(num_processes=2)
    restored.load_state_dict(of_two)
    assert restored.num_processes == 2
    del of_two["num_processes"]  # as earlier versions wrote it
    restored.load_state_dict(of_two)
    assert restored.num_processes == 2


def test_batches_of_another_size_begin_with_an_epoch() -> None:
    within = Progress(epoch=1, batches_done=3, batch_size=4).state_dict()
    with pytest.raises(InputError, match=r"within an epoch with data\.batch_size=4, so 2 would leave out"):
        Progress(batch_size=2).load_state_dict(within)
    restored = Progress(batch_size=2)
    restored.load_state_dict(within | {"batches_done": 0})
    assert (restored.epoch, restored.batch_size) == (1, 2)


def test_the_state_of_version_0_1_0_is_taken_over_at_the_end_of_an_epoch_only() -> None:
    earlier = {"epoch": 2, "batches_done": 0, "step": 9, "best_loss": 1.0, "epochs_since_best": 1, "sums": {}}
    restored = Progress()
    restored.load_state_dict(earlier | {"num_summed": 0})
    assert (restored.epoch, restored.step, restored.counts) == (2, 9, {})
    with pytest.raises(InputError, match=r"interrupted within an epoch by version 0\.1\.0"):
        Progress().load_state_dict(earlier | {"batches_done": 3, "sums": {"loss": 2.0}, "num_summed": 3})
