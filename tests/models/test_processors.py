"""transformers alone, without a line of ours, opens what we write and gives our boxes and masks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from packaging.version import Version
from PIL import Image as PillowImage
from transformers import (
    AutoImageProcessor,
    AutoModelForZeroShotObjectDetection,
    AutoProcessor,
    Sam2Model,
    Sam2Processor,
    pipeline,
)

from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.models.bundled import SMALL, SMALL_MASK_HEAD, SMALL_V1, bundled_part
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import load_detector, load_mask_head, save_resize, trained_resize
from gdinousam.models.processors import save_detector_processor
from gdinousam.preprocessing import ResizeSettings, build_resize, image_to_tensor, normalize_image
from gdinousam.records import Detection, Image

PHRASE = "thyroid nodule"
# transformers 4 cannot build the image encoder, see gdinousam/models/weights/frozen_norms.py
needs_newer = pytest.mark.skipif(Version(transformers.__version__).major < 5, reason="needs transformers 5")
EVERY_BOX = PredictionSettings(box_threshold=0.02, further_threshold=0.02, nms_threshold=1.0, max_detections=40)


@pytest.fixture(scope="module")
def image() -> Image:
    """(H, W, 3), not square."""
    return make_phantom(np.random.default_rng(3), family="thyroid").image


@pytest.fixture(scope="module", params=[SMALL_V1, pytest.param(SMALL, marks=needs_newer)])
def detector(request: pytest.FixtureRequest) -> str:
    """A bundled detector, by its name."""
    return str(request.param)


@pytest.fixture(scope="module")
def folder(detector: str) -> Path:
    found = bundled_part(detector, "detector")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def ours(detector: str, image: Image) -> list[Detection]:
    return BoxFinder(load_detector(detector), trained_resize(detector), EVERY_BOX).find([image], [[PHRASE]])[0]


def pixels_of(folder: Path, image: Image) -> torch.Tensor:
    values: Any = AutoImageProcessor.from_pretrained(folder)(PillowImage.fromarray(image), return_tensors="pt")
    pixel_values: torch.Tensor = values["pixel_values"][0]
    return pixel_values


def test_the_pipeline_of_transformers_gives_our_boxes(folder: Path, image: Image, ours: list[Detection]) -> None:
    find: Any = pipeline("zero-shot-object-detection", model=str(folder), dtype=torch.float32)
    found = find(PillowImage.fromarray(image), candidate_labels=[f"{PHRASE}."], threshold=0.01)
    theirs = [tuple(one["box"][edge] for edge in ("xmin", "ymin", "xmax", "ymax")) for one in found]
    assert len(ours) > 1
    for one in ours:  # the pipeline gives whole pixels
        assert min(np.abs(np.subtract(box, one.box_xyxy)).max() for box in theirs) < 1


def test_processor_and_model_give_our_boxes(folder: Path, image: Image, ours: list[Detection]) -> None:
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
    inputs: Any = processor(images=PillowImage.fromarray(image), text=[[PHRASE]], return_tensors="pt")
    expected = pixels_of(folder, image)[None]
    assert inputs["pixel_values"].shape == expected.shape
    inputs["pixel_values"] = expected  # transformers 4 resizes with Pillow here
    with torch.no_grad():
        output = model(**inputs)
    found = processor.post_process_grounded_object_detection(
        output, inputs["input_ids"], threshold=0.01, text_threshold=0.01, target_sizes=[image.shape[:2]]
    )[0]
    boxes_xyxy = found["boxes"].numpy()
    for one in ours:
        distance = np.abs(boxes_xyxy - np.array(one.box_xyxy)).max(axis=1).min()
        assert distance < 0.01, one


@pytest.mark.parametrize("resize", [ResizeSettings(size=96), ResizeSettings(mode="shortest_edge", size=90)])
def test_a_written_processor_makes_the_pixels_that_our_detector_is_shown(
    image: Image, resize: ResizeSettings, tmp_path: Path
) -> None:
    save_resize(tmp_path, resize)
    expected = normalize_image(build_resize(resize)(image_to_tensor(image)))
    torch.testing.assert_close(pixels_of(tmp_path, image), expected, atol=1e-5, rtol=0)


def test_images_of_two_sizes_are_padded_where_they_keep_their_aspect(image: Image, tmp_path: Path) -> None:
    save_detector_processor(tmp_path, ResizeSettings(mode="shortest_edge", size=90))
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    both: Any = processor([PillowImage.fromarray(one) for one in (image, image[:100])], return_tensors="pt")
    assert both["pixel_values"].shape[0] == 2 and not both["pixel_mask"].all()


@pytest.mark.parametrize("kind", [AutoProcessor, Sam2Processor])
def test_the_processor_of_sam2_gives_our_masks(image: Image, kind: Any) -> None:
    boxes = [[20.0, 20.0, 90.0, 80.0], [60.0, 30.0, 140.0, 120.0]]
    expected = load_mask_head(SMALL).masks_in_boxes([image], [boxes])[0]
    processor = kind.from_pretrained(SMALL_MASK_HEAD)
    model = Sam2Model.from_pretrained(SMALL_MASK_HEAD, dtype=torch.float32).eval()  # type: ignore[arg-type]
    inputs: Any = processor(images=PillowImage.fromarray(image), input_boxes=[boxes], return_tensors="pt")
    with torch.no_grad():
        output = model(pixel_values=inputs["pixel_values"], input_boxes=inputs["input_boxes"], multimask_output=False)
    masks = processor.post_process_masks(output.pred_masks, inputs["original_sizes"])[0][:, 0].numpy()
    for ours_hw, theirs_hw in zip(expected, masks, strict=True):
        assert ours_hw.sum() > 100
        # it rounds the resized image to 8 bits, which moves single pixels of the outline
        assert (ours_hw != theirs_hw).sum() <= 0.01 * ours_hw.sum()
