"""What is allowed of masks that another program made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gdinousam.settings import Settings, SettingsPath


class SavedMasksSettings(Settings):
    """How the masks of evaluation.predictions are read, and what is allowed (docs/predictions.md)."""

    missing: Literal["error", "nothing"] = Field(
        "error",
        description="What to do if a mask is missing. error: stop; nothing: it counts as nothing found, which "
        "the paper protocol leaves out of its mean and strict scores 0.",
    )
    unknown: Literal["error", "ignore"] = Field(
        "error",
        description="What to do with masks and detections of images and phrases that the test file does not have.",
    )
    resize: Literal["never", "truth", "prediction"] = Field(
        "never",
        description="What to do with a mask whose size differs from its image. never: stop with an error; "
        "truth: resize image and ground truth to the mask, as the paper's study does; prediction: resize the "
        "mask to the image. By the nearest pixel.",
    )
    one_mask_answers: Literal["last", "all"] | None = Field(
        None,
        description="Set this if there is one mask per image and not per phrase. In an image with several "
        "phrases it answers that of the image's last row (last), as the paper's study asks, or all of them "
        "(all). null: each phrase has its own mask.",
    )
    empty: Literal["nothing", "answer"] | None = Field(
        None,
        description="Meaning of an empty mask where there is an object. nothing: nothing found; answer: an "
        "answer that scores 0 under both protocols; null: answer if masks are in folders of datasets, as the "
        "paper's study stores and scores them, otherwise nothing.",
    )
    array: str | None = Field(
        None, description="Name of the array in .npz files; null: the only one, or logits, arr or prediction."
    )
    threshold: float = Field(
        0.5,
        allow_inf_nan=False,
        description="Threshold for scores (decimal numbers): pixels from this value on belong to the object.",
    )
    coco_file: SettingsPath | None = Field(
        None,
        description="COCO file with the images and categories that the ids of a COCO results file refer to; "
        "null: the ids are names of image files and phrases.",
    )
    coco_phrases: SettingsPath | None = Field(
        None, description="YAML file with the phrases of COCO categories whose names differ from them."
    )
