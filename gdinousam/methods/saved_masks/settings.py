"""What is allowed of masks that another program made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gdinousam.settings import Settings, SettingsPath


class SavedMasksSettings(Settings):
    """How the masks of evaluation.predictions are read, and what is allowed of them (docs/predictions.md)."""

    missing: Literal["error", "nothing"] = Field(
        "error",
        description="A mask that is not there: an error, or nothing found, which the paper protocol leaves out of its "
        "mean and strict scores 0.",
    )
    unknown: Literal["error", "ignore"] = Field(
        "error", description="Masks and detections of images and phrases that the test file does not have."
    )
    resize: Literal["never", "truth", "prediction"] = Field(
        "never",
        description="A mask of another size than its image: an error; or image and truth are resized to the mask, as "
        "the paper's study does; or the mask is resized to the image. By the nearest pixel.",
    )
    one_mask_answers: Literal["last", "all"] | None = Field(
        None,
        description="There is one mask per image and not per phrase, and where an image has several phrases it answers "
        "that of the image's last row, as the paper's study asks, or all of them; null: each phrase has its own mask.",
    )
    empty: Literal["nothing", "answer"] | None = Field(
        None,
        description="A mask without a pixel, where there is an object: nothing found, or an answer that scores 0 under "
        "both protocols; null: answer where masks lie in folders of datasets, as the paper's study stores and scores "
        "them, else nothing.",
    )
    array: str | None = Field(
        None, description="Name of the array in .npz files; null: the only one, or logits, arr or prediction."
    )
    threshold: float = Field(
        0.5, allow_inf_nan=False, description="Scores (decimal numbers) from here on belong to the object."
    )
    coco_file: SettingsPath | None = Field(
        None,
        description="COCO file whose images and categories the ids of a COCO results file stand for; null: the ids are "
        "names of image files and phrases.",
    )
    coco_phrases: SettingsPath | None = Field(
        None, description="YAML file with the phrases of COCO categories that have other names."
    )
