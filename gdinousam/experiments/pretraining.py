"""Making the small model: training runs one after the other, then both parts in half precision in one folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import nn
from transformers import PreTrainedTokenizerBase

from gdinousam.data.contract.layout import SPLIT_FOLDERS, csv_name
from gdinousam.errors import InputError
from gdinousam.experiments.config import TrainConfig
from gdinousam.files import write_json
from gdinousam.folders import replaced_folder
from gdinousam.locks import locked
from gdinousam.models.imagenet_encoder import with_imagenet_encoder
from gdinousam.models.loading import load_grounding_dino, load_mask_head, save_resize, trained_resize
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.models.small import with_words
from gdinousam.models.weights.origin import TRAINING_NOTE
from gdinousam.phrase_book import phrase_book_sha256, read_phrase_book
from gdinousam.preprocessing import ResizeSettings
from gdinousam.reading import read_json_object
from gdinousam.runtime import torch_seed
from gdinousam.settings import ModelName, Settings, SettingsPath

logger = logging.getLogger(__name__)

_START_NOTE = "start.json"  # beside the weights that training starts from: the settings that they were made by


class BundleSettings(Settings):
    """The two parts of the finished model and where they go."""

    detector: SettingsPath = Field(description="Folder of the detector's weights, in the run of a stage.")
    averaged_with: tuple[SettingsPath, ...] = Field(
        (),
        description="Folders of further detectors of the same start, other seeds say: the mean of all their weights is "
        "taken (Wortsman et al. 2022).",
    )
    mask_head: SettingsPath = Field(description="Folder of the mask head's weights, in the run of a stage.")
    output_dir: SettingsPath = Field(description="Folder that gets detector/ and mask_head/ in half precision.")


class StartSettings(Settings):
    """What a detector starts from whose image encoder was trained on ImageNet."""

    rest: ModelName = Field(description="Small Grounding DINO with all other weights: folder, small-v1, random-small.")
    size: int = Field(224, ge=32, description="Side in pixels of the square that it is to see.")
    seed: int = Field(0, ge=0, description="Seed of the layers between encoder and rest, which start at random.")
    output_dir: SettingsPath = Field(description="Folder that gets it.")


class PretrainConfig(Settings):
    """Everything scripts/pretrain_small.py needs."""

    images: SettingsPath | None = Field(
        None,
        description="Folder of real images in the CSV layout, with masks; trained on train, chosen on val.",
    )
    start: StartSettings | None = Field(
        None,
        description="Written before the stages that name its folder as their detector. null: nothing is written.",
    )
    stages: dict[str, TrainConfig] = Field(
        min_length=1, description="Training runs in order; each is a config of train.py without its image paths."
    )
    bundle: BundleSettings

    @model_validator(mode="after")
    def _stages_fit(self) -> PretrainConfig:
        precisions = {stage.training.mixed_precision for stage in self.stages.values()}
        if len(precisions) > 1:
            raise ValueError("every stage needs the same training.mixed_precision: they run in one process")
        return self

    def stage(self, name: str) -> TrainConfig:
        """The config of a stage with the paths of the real images; InputError for an unknown name."""
        if name not in self.stages:
            raise InputError(f"{name} is not a stage; stages: {', '.join(self.stages)}")
        config = self.stages[name]
        if self.images is None:
            return config
        return config.model_copy(update={"data": config.data.model_copy(update=_image_paths(self.images))})

    def start_of(self, stages: Iterable[str]) -> StartSettings | None:
        """What has to be written for these stages; ``None`` where none of them starts from it.

        Raises InputError for an unknown name.
        """
        if self.start is None:
            return None
        named = [self.stage(name).model.detector for name in stages]
        return self.start if str(self.start.output_dir) in named else None


def _image_paths(folder: Path) -> dict[str, Path]:
    """The fields of ``TrainData`` for a folder in the CSV layout."""
    paths = {"unlike_dir": folder / SPLIT_FOLDERS["test"][0]}
    for split in ("train", "val"):
        images, masks = SPLIT_FOLDERS[split]
        paths |= {
            f"{split}_dir": folder / images,
            f"{split}_ann": folder / csv_name(split),
            f"{split}_masks": folder / masks,
        }
    return paths


def write_start(settings: StartSettings) -> None:
    """Write the detector that training starts from, unless it is there already; waits for a program that writes it.

    Every word of the package's phrase book gets a token of its own. Raises InputError where the folder is there and was
    not made by these settings, where the weights of the image encoder are not installed, ``rest`` does not load, or its
    tokenizer has no room for the words.
    """
    folder = settings.output_dir
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent, f"{folder.name}.start", str(folder), waits=True):
        if folder.is_dir():
            _require_made_by(settings)
            return
        with torch_seed(settings.seed):  # random-small draws too
            rest, tokenizer = load_grounding_dino(settings.rest)
            model = with_imagenet_encoder(rest)
        with replaced_folder(folder) as new:
            model.save_pretrained(new)
            with_words(tokenizer, read_phrase_book().training_vocabulary).save_pretrained(new)
            save_resize(new, ResizeSettings(size=settings.size))
            write_json(new / _START_NOTE, _made_by(settings))


def _made_by(settings: StartSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude={"output_dir"}) | {"phrase_book": phrase_book_sha256()[:8]}


def _require_made_by(settings: StartSettings) -> None:
    folder, wanted = settings.output_dir, _made_by(settings)
    remedy = "remove the folder, or name another one as start.output_dir and in the stages"
    found = read_json_object(folder / _START_NOTE, remedy)
    changed = [
        f"start.{key} = {found.get(key)!r}, not {value!r}" for key, value in wanted.items() if found.get(key) != value
    ]
    if changed:
        raise InputError(f"{folder} was made with {', '.join(changed)}; {remedy}")


def bundle(settings: BundleSettings) -> None:
    """Write both parts in half precision, as ``load_detector`` and ``load_mask_head`` read them, and their notes.

    Other files of the folder, such as its model card, stay; an operating point of earlier weights does not. Raises
    InputError where a part is missing, or detectors are to be averaged that are not built alike.
    """
    model, tokenizer = load_grounding_dino(str(settings.detector))
    _average(model, tokenizer, settings)
    mask_head = load_mask_head(str(settings.mask_head))
    if not isinstance(mask_head, Sam2MaskHead):
        raise InputError(f"{settings.mask_head} is no SAM2")
    with replaced_folder(settings.output_dir / "detector") as new:
        model.half().save_pretrained(new)
        tokenizer.save_pretrained(new)
        save_resize(new, trained_resize(settings.detector))
        _copy_note(settings.detector, new, settings.averaged_with)
    with replaced_folder(settings.output_dir / "mask_head") as new:
        mask_head.half().save(new)
        _copy_note(settings.mask_head, new)
    size = sum(path.stat().st_size for path in settings.output_dir.rglob("*") if path.is_file())
    logger.info("small model in %s: %.1f MB", settings.output_dir, size / 1e6)


def _average(model: nn.Module, tokenizer: PreTrainedTokenizerBase, settings: BundleSettings) -> None:
    """Give the detector the mean of its weights and those of the further ones."""
    states = [model.state_dict()]
    for folder in settings.averaged_with:
        other, its_tokenizer = load_grounding_dino(str(folder))
        states.append(other.state_dict())
        if _shapes(states[-1]) != _shapes(states[0]) or its_tokenizer.get_vocab() != tokenizer.get_vocab():
            raise InputError(
                f"bundle.averaged_with: {folder} is built otherwise than {settings.detector}, or reads other words; "
                "average detectors of one start"
            )
    means = {
        name: torch.stack([state[name].double() for state in states]).mean(dim=0)
        for name, own in states[0].items()
        if own.is_floating_point()
    }
    model.load_state_dict(states[0] | means)  # after all are taken, since layers share tensors under several names


def _shapes(state: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _copy_note(weights: Path, folder: Path, averaged_with: Sequence[Path] = ()) -> None:
    """What the weights were trained on, where a note says so; of a mean what it is of, and not the losses of one."""
    path = weights / TRAINING_NOTE
    if not path.is_file():
        return
    note = read_json_object(path)
    if averaged_with:
        note.pop("metrics", None)
        note["mean_of"] = ["/".join(one.parts[-2:]) for one in (weights, *averaged_with)]
    write_json(folder / TRAINING_NOTE, note)
