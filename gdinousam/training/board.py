"""What TensorBoard shows of a run: settings, losses of steps and epochs, speed, memory and sheets of samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch.utils.tensorboard.summary import hparams

from gdinousam.data.images import read_image

NAME = "tensorboard"
_OF_EPOCH = "epoch/"
_NOT_SHOWN = ("epoch", "step")  # of a row of metrics.csv: what the axis says


class Board:
    """The tracker of an accelerator, which writes in the main process alone; without a tracker nothing is shown."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator

    def show_settings(self, settings: Mapping[str, Any], measured: str) -> None:
        """Settings as hyperparameters beside what they led to.

        settings: a config as nested plain values; lists and paths are left out. measured: the entry of an epoch's row
        that runs are compared by.
        """
        if self._accelerator.is_main_process:
            # not the tracker's own way, which writes a run of its own for them: TensorBoard would show two
            writer = self._accelerator.get_tracker(NAME, unwrap=True).file_writer
            for summary in hparams(_flat(settings), {f"{_OF_EPOCH}{measured}": 0.0}):
                writer.add_summary(summary)

    def show_step(self, values: Mapping[str, float], step: int) -> None:
        """Numbers of an optimizer step, by name."""
        self._accelerator.log(dict(values), step=step)

    def show_epoch(self, row: Mapping[str, float | int | str], step: int) -> None:
        """The means of an epoch, its speed and the memory, as they stand in ``metrics.csv``. step: the last of it."""
        shown = {f"{_OF_EPOCH}{name}": value for name, value in row.items() if name not in _NOT_SHOWN}
        self._accelerator.log(shown, step=step)

    def show_sheet(self, path: Path, step: int) -> None:
        """A sheet of samples that has been drawn. path: of the PNG."""
        for tracker in self._accelerator.trackers:
            tracker.log_images({"samples": read_image(path)[None]}, step=step, dataformats="NHWC")


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, bool | int | float | str]:
    """The plain values in nested settings, by their names joined with points."""
    flat: dict[str, bool | int | float | str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{name}.")
        elif isinstance(value, bool | int | float | str):
            flat[f"{above}{name}"] = value
    return flat
