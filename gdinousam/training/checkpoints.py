"""What a run writes: the state to resume from, and weights to use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import load
from safetensors.torch import load_file, save_file
from torch import nn

from gdinousam.errors import InputError
from gdinousam.folders import begin_replacement, finish_replacement, replaced_folder, surviving_folder
from gdinousam.models.checkpoints.files import require_finite
from gdinousam.models.weights.model_card import write_model_card
from gdinousam.reading import reading
from gdinousam.training.tasks import Task

LAST, STATE = "last", "state"
NOTES = "training.json"
_TRAINED = "trained.safetensors"


class RunCheckpoints:
    """The checkpoints of one run folder.

    ``state``: trained parameters, optimizer, schedule, progress and random states of every process. ``best`` and
    ``last``: weights in a form that ``load_detector`` or ``load_mask_head`` reads, with ``training.json`` (the epoch's
    metrics and the notes given) and a model card beside them. Every folder is replaced as a whole.
    """

    def __init__(self, folder: Path, accelerator: Accelerator, notes: dict[str, Any]) -> None:
        self.folder, self.accelerator, self.notes = folder, accelerator, notes
        accelerator.register_save_state_pre_hook(self._save_trained_only)
        accelerator.register_load_state_pre_hook(self._load_trained_only)

    def save_state(self) -> None:
        """Write the state; all processes call it together."""
        accelerator, folder = self.accelerator, self.folder / STATE
        if accelerator.is_main_process:
            begin_replacement(folder)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(folder.with_name(f"{STATE}.new")))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            finish_replacement(folder)
        accelerator.wait_for_everyone()

    def load_state(self) -> None:
        """Take over the state; raises InputError where there is none or it is another model's."""
        state = surviving_folder(self.folder / STATE)
        if not state.is_dir():
            raise InputError(f"{self.folder} has no {STATE} folder to resume from; give the folder of a run")
        with reading(state, "the state of a run", f"start again from {self.folder / LAST}, or without --resume"):
            # accelerate (1.15) goes on without a word where it cannot read these
            random_states = load(state / f"random_states_{self.accelerator.process_index}.pkl")
            self.accelerator.load_state(str(state))
            if not torch.equal(torch.get_rng_state(), random_states["torch_manual_seed"]):
                raise ValueError("its random states cannot be taken over")

    def save_weights(self, name: str, task: Task, metrics: dict[str, Any]) -> None:
        """Write the weights into ``name``; the main process calls it."""
        with replaced_folder(self.folder / name) as new:
            task.save(new)
            notes = self.notes | {"metrics": metrics}
            (new / NOTES).write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")
            write_model_card(new, notes)

    # accelerate would write and read every parameter; the frozen ones come with the base model
    def _save_trained_only(self, models: list[nn.Module], weights: list[dict[str, torch.Tensor]], folder: str) -> None:
        if self.accelerator.is_main_process:
            model = self.accelerator.unwrap_model(models[0])
            save_file({name: p.detach().contiguous() for name, p in _trained(model).items()}, Path(folder) / _TRAINED)
        weights.clear()

    def _load_trained_only(self, models: list[nn.Module], folder: str) -> None:
        trained = _trained(self.accelerator.unwrap_model(models.pop()))
        stored = load_file(Path(folder) / _TRAINED)
        require_finite(stored, Path(folder) / _TRAINED)
        if {name: p.shape for name, p in trained.items()} != {name: t.shape for name, t in stored.items()}:
            raise InputError(f"{folder} holds the state of another model; resume with the config of the run")
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(stored[name])


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
