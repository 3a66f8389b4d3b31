"""The config of ``test.py``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gdinousam.data.contract.plausibility import ALLOW_ODD
from gdinousam.errors import InputError
from gdinousam.geometry import ResizeSettings
from gdinousam.methods.references import TRUE_BOX, WHOLE_IMAGE
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.methods.settings import BaselineSettings, HintedSettings
from gdinousam.models.detector.deformable_choice import Kernel
from gdinousam.models.detector.prediction_settings import PredictionSettings
from gdinousam.models.detector.public_rule import PublicRuleSettings
from gdinousam.models.precision import Precision
from gdinousam.records import Need
from gdinousam.settings import AdapterName, ModelName, Settings, SettingsPath

OUR_METHOD = "GroundingDINO-US-SAM"


class TestData(Settings):
    """Where the test images lie."""

    test_dir: SettingsPath = Field(description="Folder of the test images.")
    test_ann: SettingsPath = Field(description="CSV of the test boxes and phrases.")
    test_masks: SettingsPath = Field(description="Folder of the test masks, named as the images or in mask_name.")
    batch_size: int = Field(4, ge=1, description="Images given to the method at once.")
    num_workers: int = Field(4, ge=0, description="Threads that read images and masks ahead.")
    datasets: tuple[str, ...] | None = Field(
        None, min_length=1, description="Use only the images of these datasets. null: all."
    )
    max_images: int | None = Field(None, ge=1, description="Use only the first so many images, of the datasets named.")
    allow_odd: bool = Field(False, description=ALLOW_ODD)
    masks_of_other_size: Literal["refuse", "resize"] = Field(
        "refuse",
        description="A mask of another size than its image. resize: bring it to the image's as the public test scripts "
        "do (bicubic, whatever is not black then is foreground), for both protocols.",
    )


class ValidationData(Settings):
    """Where the images lie on which scripts/operating_point.py chooses thresholds; never those of the test."""

    val_dir: SettingsPath = Field(description="Folder of the validation images.")
    val_ann: SettingsPath = Field(description="CSV of their boxes and phrases.")
    val_masks: SettingsPath = Field(description="Folder of their masks, named as the images or in mask_name.")
    datasets: tuple[str, ...] | None = Field(
        None, min_length=1, description="Use only the images of these datasets; letter case counts. null: all."
    )
    max_images: int | None = Field(None, ge=1, description="Use only the first so many images, of the datasets named.")


TRAINED_BOX_LAYER = Field(
    True,
    description="Use the last layer of the box head as it was trained with the adapter. false: as before the training, "
    "which is what the public code tests with, by mistake.",
)


class ModelSettings(Settings):
    """Which weights: a local folder or file, a hub id, ``small`` (bundled), or ``random-small``."""

    detector: ModelName = Field(
        description="Grounding DINO, or an adapter folder that names its base; true-box or whole-image for the two "
        "references without a detector: the boxes of the truth, or one box around every image."
    )
    adapter: AdapterName | None = Field(None, description="LoRA folder or file to put on the detector, or its hub id.")
    trained_box_layer: bool = TRAINED_BOX_LAYER
    mask_head: ModelName | None = Field(
        None, description="SAM2 of any size, SAM or MedSAM; none where a compared method makes the masks."
    )

    @model_validator(mode="after")
    def _adapter_has_a_detector(self) -> ModelSettings:
        if self.is_reference and self.adapter is not None:
            raise ValueError(f"{self.detector} is no detector that an adapter fits on; leave out adapter")
        return self

    @property
    def is_reference(self) -> bool:
        """Whether boxes are given to the mask head instead of found by a detector."""
        return self.detector in (TRUE_BOX, WHOLE_IMAGE)

    @property
    def named_mask_head(self) -> str:
        """The mask head; InputError where the config names none."""
        if self.mask_head is None:
            raise InputError("the config names no mask head; add model.mask_head")
        return self.mask_head


class RunSettings(Settings):
    """What an evaluation writes, and how it is run."""

    output_dir: SettingsPath = Field(description="Folder of the results; new for every run.")
    num_pictures: int = Field(20, ge=0, description="Images drawn with truth and prediction, spread over the file.")
    save_masks: bool = Field(False, description="Keep what was found as masks/, which --predictions can score again.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to run.")
    precision: Precision = Field(
        "float32",
        description="Number type of the matrix products of detector and image encoder: float32, bfloat16, or auto for "
        "bfloat16 where GPU or CPU has it in hardware. Positions, boxes, scores and the mask decoder stay in float32.",
    )
    tf32: bool = Field(
        False,
        description="CUDA: compute products and convolutions of float32 numbers in TensorFloat-32, which keeps 10 bits "
        "behind the point instead of 23. false: never, although torch would for convolutions.",
    )
    deformable_kernel: Kernel = Field(
        "auto",
        description="CUDA: what samples in the detector's deformable attention. auto: the Triton kernel where it has "
        "just given the same values and gradients as plain code on that GPU, else plain code; triton: the kernel or an "
        "error; plain: transformers' own code.",
    )
    compile: bool = Field(
        False,
        description="Let torch.compile have the image encoders: minutes at the start for some time per image "
        "(docs/performance.md); on a CPU it needs a C++ compiler.",
    )


class EvaluationSettings(RunSettings):
    """What test.py writes, and whose masks it scores."""

    method: str = Field(OUR_METHOD, min_length=1, description="Name of the method in tables and figures.")
    predictions: SettingsPath | None = Field(
        None, description="Folder of masks made by any other program, to score instead of running models."
    )
    needs: tuple[Need, ...] = Field(
        ("text",), description="What the method that made those masks was given beside the image."
    )


class TestConfig(Settings):
    """Everything test.py needs."""

    program = "test"

    data: TestData
    resize: ResizeSettings | None = Field(None, description="none: as the detector was trained.")
    model: ModelSettings | None = Field(
        None, description="Needed unless evaluation.predictions is given, or a baseline that needs no detector."
    )
    prediction: PredictionSettings = PredictionSettings()
    public_rule: PublicRuleSettings = PublicRuleSettings()
    validation: ValidationData | None = Field(None, description="For scripts/operating_point.py alone.")
    baseline: BaselineSettings | None = Field(None, description="A compared method instead of ours; null: ours.")
    saved_masks: SavedMasksSettings | None = Field(
        None, description="For evaluation.predictions only; null: all as by default."
    )
    evaluation: EvaluationSettings

    @model_validator(mode="after")
    def _method_is_known(self) -> TestConfig:
        evaluation = self.evaluation
        if evaluation.predictions is None:
            self._models_are_named()
        if evaluation.predictions is None and self.saved_masks is not None:
            raise ValueError("saved_masks is for masks of another program; name them in evaluation.predictions")
        if evaluation.predictions is not None and "method" not in evaluation.model_fields_set:
            raise ValueError("the masks to score need the name of their method; give it in evaluation.method")
        if self.model is not None and self.model.is_reference and "method" not in evaluation.model_fields_set:
            raise ValueError(f"{self.model.detector} is a reference, not our method; name it in evaluation.method")
        if evaluation.predictions is None and evaluation.needs != ("text",):
            raise ValueError("evaluation.needs is for masks of another program; models say themselves what they need")
        return self

    def _models_are_named(self) -> None:
        model, baseline = self.model, self.baseline
        if baseline is not None and self.evaluation.precision != "float32":
            raise ValueError(f"{baseline.name} runs in float32 as it was published; leave out evaluation.precision")
        if baseline is not None and self.evaluation.tf32:
            raise ValueError(f"{baseline.name} runs in float32 as it was published; leave out evaluation.tf32")
        if baseline is not None and self.evaluation.compile:
            raise ValueError(f"{baseline.name} is not compiled; leave out evaluation.compile")
        if baseline is None:
            if model is None:
                raise ValueError("name model.detector and model.mask_head, or masks to score with --predictions")
            if model.mask_head is None:
                raise ValueError("name model.mask_head, or the compared method that makes the masks in baseline")
            return
        if "method" not in self.evaluation.model_fields_set:
            raise ValueError(f"{baseline.name} is not our method; name it in evaluation.method")
        if isinstance(baseline, HintedSettings) and baseline.prompts.source == "detector":
            if model is None or model.is_reference:
                raise ValueError("baseline.prompts.source is detector; name one in model.detector, or choose truth")
            if model.mask_head is not None:
                raise ValueError(f"{baseline.name} makes the masks; leave out model.mask_head")
        elif model is not None:
            raise ValueError(f"{baseline.name} is given no detector's boxes here; leave out model")

    @property
    def named_model(self) -> ModelSettings:
        """The models; InputError where the config names none because it scores a folder of masks."""
        if self.model is None:
            raise InputError("the config names no models; add model.detector and model.mask_head")
        return self.model
