"""Which compared method a config names, with what weights, and who shows it where the objects lie."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gdinousam.methods.ultrasam.segmenter import UltraSamHint, UltraSamMasks
from gdinousam.methods.universeg.support import SupportSettings
from gdinousam.settings import ModelName, Settings, SettingsPath


class HintSettings(Settings):
    """Who shows the method where the objects lie."""

    source: Literal["detector", "truth", "user"] = Field(
        "detector",
        description="detector: the boxes that model.detector finds for the phrase, or their centres as clicks, so that "
        "nothing but the phrase is given; truth: boxes or clicks from the true masks, as these methods were published; "
        "user: boxes or clicks from user_csv.",
    )
    click: Literal["fixed", "random", "centroid"] = Field(
        "fixed",
        description="Where in a true mask a click lies. fixed: the middle one of its pixels, row by row (SAMUS's test "
        "code); random: any of its pixels (SAMUS's training, the study's text); centroid: the mean of its pixels, "
        "which may lie outside (UltraSam).",
    )
    seed: int = Field(0, ge=0, description="For random clicks; each depends on it, the image and the object alone.")
    user_csv: SettingsPath | None = Field(None, description="What a person drew, for source user.")

    @model_validator(mode="after")
    def _source_has_its_file(self) -> HintSettings:
        if (self.source == "user") != (self.user_csv is not None):
            raise ValueError("user_csv belongs to source: user; give both or neither")
        return self


class MedSamSettings(Settings):
    """MedSAM, shown a box."""

    name: Literal["medsam"] = Field(description="The method.")
    weights: ModelName = Field(description="Official file, folder, hub id, random or random-small.")
    as_in_study: bool = Field(
        False, description="Show images and boxes as the comparison study did, transposed picture included."
    )
    prompts: HintSettings = HintSettings()


class UltraSamSettings(Settings):
    """UltraSam, shown a box or a click."""

    name: Literal["ultrasam"] = Field(description="The method.")
    weights: ModelName = Field(description="Its mmengine checkpoint, random or random-small.")
    shown: UltraSamHint = Field("box", description="What it is shown of an object: its box, or a click.")
    masks: UltraSamMasks = Field(
        "published",
        description="published: cut at 0 before they are enlarged, so that they come out a few percent larger; "
        "plain: cut after it.",
    )
    prompts: HintSettings = HintSettings()


class SamusSettings(Settings):
    """SAMUS, shown a click."""

    name: Literal["samus"] = Field(description="The method.")
    weights: ModelName = Field(
        description="Its official file, a folder of baselines/trainSAMUS.py, random or random-small."
    )
    prompts: HintSettings = HintSettings()


class UniverSegSettings(Settings):
    """UniverSeg, shown examples of the dataset."""

    name: Literal["universeg"] = Field(description="The method.")
    weights: ModelName = Field(description="Its official file, random or random-small.")
    support: SupportSettings = Field(description="Where the examples come from.")


class UNetSettings(Settings):
    """A U-Net of baselines/trainUNet.py."""

    name: Literal["unet"] = Field(description="The method.")
    weights: SettingsPath = Field(
        description="Folder of one U-Net, or a folder with one U-Net for each dataset, named as the dataset."
    )


HintedSettings = MedSamSettings | UltraSamSettings | SamusSettings
BaselineSettings = Annotated[HintedSettings | UniverSegSettings | UNetSettings, Field(discriminator="name")]
