"""The YAML files of the paper's public repository, as they are: what each of their keys becomes here.

Both files hold the same three groups. A file is theirs where it names ``model.config_path`` or ``model.weights_path``,
which no file of ours has. It then gets what that repository runs, which differs from the paper, and not our defaults.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from gdinousam.errors import InputError
from gdinousam.settings import OWN_MODEL_NAMES, CommandLineText

logger = logging.getLogger(__name__)

Program = Literal["train", "test"]
Tree = dict[str, Any]

TRAINING: Tree = {
    "data": {"batch_size": 4, "num_workers": 8, "captions": "phrase_per_box"},
    "resize": {"mode": "shortest_edge", "size": 800, "longest_edge": 1333},
    "augmentation": None,
    "model": {},
    "lora": {"rank": 32, "alpha": 32, "dropout": 0.0, "attention_outputs": False},
    "losses": {
        "focal": 1.0,
        "l1": 10.0,
        "giou": 1.0,
        "token_targets": "shares",
        "focal_divisor": "images",
        "matching": {"tokens": 2.0, "token_cost": "probability", "l1": 5.0, "giou": 1.0},
    },
    "training": {
        "num_epochs": 1000,
        "learning_rate": 1e-3,
        "weight_decay": 1e-2,
        "schedule": "one_cycle",
        "one_cycle": {"pct_start": 0.1, "div_factor": 25.0, "final_div_factor": 1e4, "whole_batches": True},
        "max_gradient_norm": 0.0,
        "stop_on": "train_loss",
        "patience": 9,
        "sample_pictures_every": 5,
        "frozen_parts": "train",
    },
}
"""What the public training program runs, its own defaults where a file leaves a key out."""

TESTING: Tree = {
    "data": {"batch_size": 4, "num_workers": 8, "masks_of_other_size": "resize"},
    "resize": TRAINING["resize"],
    "model": {"trained_box_layer": False},
    "prediction": {"box_threshold": 0.1, "text_threshold": 0.3, "nms_threshold": 0.1, "max_detections": 1},
    "public_rule": {"box_threshold": 0.1, "text_threshold": 0.3, "nms_threshold": 0.1},
    "evaluation": {},
}
"""What ``testGroundingDINOUSAM.py`` runs."""

# SAM2.1 large is not a setting there. Its file is looked for like any other path of theirs, then the hub's is meant.
_MASK_HEAD_FILES = ("weights/sam2.1_hiera_large.pt", "checkpoints/sam2.1_hiera_large.pt", "sam2.1_hiera_large.pt")
_MASK_HEAD = "facebook/sam2.1-hiera-large"
_IMAGES, _MASKS = "test_image", "test_mask"


def is_public(tree: Mapping[str, Any]) -> bool:
    """Whether a config file is one of the public repository's."""
    model = tree.get("model")
    return isinstance(model, dict) and bool({"config_path", "weights_path"} & model.keys())


def translate(tree: Tree, path: Path, program: Program) -> Tree:
    """Turn a file of theirs into the settings of a program here: what it says, over what they run.

    tree: groups of the file, which stays as it is; a setting of ours in it, from the command line, wins over theirs.
    path: the file, whose folder is one of those that its paths are looked for in. Keys that have no effect are named in
    one warning for each reason. Raises InputError where the file asks for what cannot be run as there, and where it is
    the other program's.
    """
    groups = {name: dict(group) if isinstance(group, dict) else group for name, group in tree.items()}
    for name in ("data", "model", "training"):
        if not isinstance(groups.setdefault(name, {}), dict):
            raise InputError(f"{path}: {name} must hold settings, as in the public repository's files")
    theirs = _Theirs(groups, path)
    logger.info("%s is a file of the public repository: settings are those that its programs run", path)
    if program == "train":
        _translate_training(theirs)
        return _over(groups, TRAINING)
    _translate_testing(theirs)
    return _over(groups, TESTING)


class _Theirs:
    """A file of theirs while it becomes one of ours."""

    def __init__(self, groups: Tree, path: Path) -> None:
        self.groups, self.path = groups, path

    def take(self, key: str, default: Any = None) -> Any:
        """Remove a key of theirs and return its value."""
        group, name = key.split(".")
        return self.groups[group].pop(name, default)

    def put(self, key: str, value: Any) -> None:
        """Set a key of ours that the file does not set itself."""
        group, name = key.split(".")
        if not isinstance(self.groups.setdefault(group, {}), dict):
            raise InputError(f"{self.path}: {group} must hold settings")
        self.groups[group].setdefault(name, value)

    def ignore(self, keys: Sequence[str], reason: str) -> None:
        """Remove keys that have no effect and say so in one line."""
        there = [key for key in keys if key.split(".")[1] in self.groups[key.split(".")[0]]]
        for key in there:
            self.take(key)
        if there:
            logger.warning("%s: %s: no effect; %s", self.path, ", ".join(there), reason)

    def found(self, value: Any, key: str) -> Any:
        """A path of theirs where it lies: beside the file, above a folder named configs, or in the working folder.

        What was given on the command line, and the name of a model of ours, is not a path of theirs.
        """
        if not isinstance(value, str) or isinstance(value, CommandLineText) or value in OWN_MODEL_NAMES:
            return value
        relative = Path(value).expanduser()
        places = list(dict.fromkeys((folder / relative).resolve() for folder in (*_folders_of(self.path), Path())))
        there = [place for place in places if _exists(place)]
        if not there:
            logger.warning("%s: %s: %s is in none of: %s", self.path, key, value, ", ".join(map(str, places)))
            return str(places[-1])
        if len(there) > 1:
            logger.warning("%s: %s: %s is in several places; taken is %s", self.path, key, value, there[0])
        return str(there[0])


def _folders_of(path: Path) -> list[Path]:
    folder = path.resolve().parent
    return [folder, folder.parent] if folder.name == "configs" else [folder]


def _exists(path: Path) -> bool:
    """Whether a file or folder is there; the suffix of a CSV in either letter case."""
    return any(
        one.exists() for one in (path, path.with_suffix(path.suffix.lower()), path.with_suffix(path.suffix.upper()))
    )


def _translate_training(theirs: _Theirs) -> None:
    path, groups = theirs.path, theirs.groups
    if "lora_weights" in groups["model"]:
        raise InputError(
            f"{path}: it names model.lora_weights, so it is the public repository's test file; give it to test.py"
        )
    for key in ("data.train_dir", "data.train_ann", "data.val_dir", "data.val_ann"):
        group, name = key.split(".")
        if groups[group].get(name) is None:
            raise InputError(f"{path}: {key} is missing, which the public code needs too; add it")
        groups[group][name] = theirs.found(groups[group][name], key)
    _name_detector(theirs)
    if not theirs.take("training.use_lora", False) and groups["training"].get("tune") is None:
        raise InputError(
            f"{path}: training.use_lora is false, and what the public code then trains is not known here; set it "
            "to true (LoRA, as in the paper), or train every parameter with --set training.tune=full"
        )
    patient = theirs.take("training.patient", 10)
    _require_number(patient, "training.patient", path)
    theirs.put("training.patience", int(patient) - 1)
    pictures = theirs.take("training.visualization_frequency")
    if pictures is not None:
        theirs.put("training.sample_pictures_every", pictures)
    save_dir = theirs.take("training.save_dir", "weights")
    if "output_dir" not in groups["training"]:
        theirs.put("training.output_dir", CommandLineText(_new_folder(str(save_dir), path)))
    theirs.ignore(["training.save_frequency"], "every epoch is saved here")
    theirs.ignore(["training.warmup_epochs"], "the public code reads and never uses it; its schedule rises by itself")


def _translate_testing(theirs: _Theirs) -> None:
    path, groups = theirs.path, theirs.groups
    images = theirs.take("data.val_dir")
    ann = theirs.take("data.val_ann")
    for key, value in (("data.val_dir", images), ("data.val_ann", ann)):
        if value is None:
            raise InputError(f"{path}: {key} is missing, which names the test data in the public code's files; add it")
    if Path(str(ann)).stem.lower() != "test":
        logger.warning("%s: data.val_ann = %s is read; the public code reads test.CSV whatever it says", path, ann)
    if "test_masks" not in groups["data"]:
        if _IMAGES not in str(images):
            raise InputError(
                f"{path}: data.val_dir = {images} does not hold {_IMAGES}, which the public code replaces by {_MASKS} "
                "to find the masks; is this its training file? Name the masks with --set data.test_masks=FOLDER"
            )
        masks = type(images)(str(images).replace(_IMAGES, _MASKS))  # of the file or of the command line
        theirs.put("data.test_masks", theirs.found(masks, f"data.val_dir with {_MASKS}"))
    theirs.put("data.test_dir", theirs.found(images, "data.val_dir"))
    theirs.put("data.test_ann", theirs.found(ann, "data.val_ann"))
    theirs.ignore(["data.train_dir", "data.train_ann"], "a test trains nothing")
    _name_detector(theirs)
    _name_adapter(theirs)
    if "mask_head" not in groups["model"]:
        theirs.put("model.mask_head", _mask_head(path))
    theirs.ignore([f"training.{name}" for name in groups["training"]], "a test trains nothing")
    del groups["training"]
    theirs.put("evaluation.output_dir", CommandLineText("results/public_code"))


def _name_detector(theirs: _Theirs) -> None:
    weights = theirs.take("model.weights_path")
    if weights is None and "detector" not in theirs.groups["model"]:
        raise InputError(f"{theirs.path}: model.weights_path is missing, the weights to start from; add it")
    if weights is not None:
        theirs.put("model.detector", theirs.found(weights, "model.weights_path"))
    theirs.ignore(["model.config_path"], "the architecture is read from the weights")


def _name_adapter(theirs: _Theirs) -> None:
    weights, use_lora = theirs.take("model.lora_weights"), theirs.take("training.use_lora", False)
    if (weights is None) != (not use_lora):
        raise InputError(
            f"{theirs.path}: model.lora_weights and training.use_lora: true belong together; set both to test the "
            "tuned detector, or neither to test the untuned one"
        )
    if weights is not None:
        theirs.put("model.adapter", theirs.found(weights, "model.lora_weights"))


def _mask_head(path: Path) -> str:
    for file in _MASK_HEAD_FILES:
        for folder in (*_folders_of(path), Path()):
            if (folder / file).is_file():
                return str((folder / file).resolve())
    return _MASK_HEAD


def _new_folder(save_dir: str, path: Path) -> str:
    """A folder named by the minute in ``save_dir``, relative to the working folder, as the public code makes one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(f"{path}: several processes need one folder; name it with --set training.output_dir=FOLDER")
    return str(Path(save_dir) / datetime.now().strftime("%Y%m%d_%H%M"))


def _require_number(value: Any, key: str, path: Path) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{path}: {key} = {value!r}: give a whole number of epochs, at least 1")


def _over(tree: Tree, preset: Mapping[str, Any]) -> Tree:
    """The tree with what it lacks taken from the preset, group by group."""
    merged: Tree = dict(tree)
    for key, value in preset.items():
        if isinstance(value, Mapping):
            mine = merged.get(key, {})
            merged[key] = _over(mine, value) if isinstance(mine, dict) else mine
        else:
            merged.setdefault(key, value)
    return merged
