"""Converted weights: what a file held is what the folder holds, and a folder appears as a whole or not at all."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import (
    AutoProcessor,
    AutoTokenizer,
    GroundingDinoForObjectDetection,
    Sam2Model,
    Sam2Processor,
    SamModel,
)
from weight_files import (
    merge_by_hand,
    official_grounding_dino,
    official_sam,
    official_sam2,
    published_lora,
    write,
)

from gdinousam.errors import InputError
from gdinousam.models.adapters.base_note import BASE_NOTE, weights_sha256
from gdinousam.models.adapters.lora import prepare_for_adapters
from gdinousam.models.checkpoints.files import read_tensors
from gdinousam.models.checkpoints.grounding_dino import grounding_dino_from
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import (
    load_detector,
    load_grounding_dino,
    load_mask_head,
    save_resize,
    trained_resize,
)
from gdinousam.models.mask_heads.sam import SamMaskHead, SamPreprocessing, frame_of
from gdinousam.models.weights.conversion import ORIGIN_NOTE, convert_checkpoint, export_adapter
from gdinousam.preprocessing import ResizeSettings
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.runtime import torch_seed

NO_CHANGE = 1e-5  # merging adds the same numbers in another order


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """Where to convert to; removed afterwards, as some of what is written here is large."""
    yield tmp_path / "out"
    shutil.rmtree(tmp_path / "out", ignore_errors=True)


@pytest.fixture
def lora_file(small_detector: Path, tmp_path: Path) -> Path:
    """A file like the published one, for the small detector."""
    return write(tmp_path / "lora.pth", published_lora(load_grounding_dino(str(small_detector))[0]))


@pytest.fixture
def by_hand(small_detector: Path, lora_file: Path) -> Detector:
    """The small detector with that file's adapter."""
    model, tokenizer = load_grounding_dino(str(small_detector))
    tensors = {name.removeprefix("base_model.model."): tensor for name, tensor in read_tensors(lora_file).items()}
    return Detector(merge_by_hand(model, tensors), tokenizer).eval()


def answers(detector: Detector) -> tuple[torch.Tensor, torch.Tensor]:
    """Token logits and boxes for one image."""
    tokens = tokenize_captions([build_caption(["cyst", "liver"])], detector.tokenizer, detector.max_tokens)
    with torch.no_grad(), torch_seed(7):
        last = detector(torch.randn(1, 3, 96, 96), tokens).last
    return last.logits, last.boxes_cxcywh_norm


def distance(first: Detector, second: Detector) -> float:
    pairs = zip(answers(first), answers(second), strict=True)
    return max(float((left - right).abs().max()) for left, right in pairs)


def refusal(convert: Callable[[], object]) -> str:
    """The message of the InputError, which must be one line."""
    with pytest.raises(InputError) as caught:
        convert()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_an_official_detector_becomes_a_folder_with_its_tokenizer(tmp_path: Path, out: Path) -> None:
    source = official_grounding_dino(tmp_path)
    said = convert_checkpoint(source, out)
    assert f"model.detector: {out}" in said and "Grounding DINO" in said
    expected = weights_sha256(grounding_dino_from(read_tensors(source), source))
    source.unlink()
    loaded = load_detector(str(out))
    assert weights_sha256(loaded.model) == expected
    assert loaded.tokenizer.convert_tokens_to_ids("[CLS]") == 101
    assert weights_sha256(GroundingDinoForObjectDetection.from_pretrained(out)) == expected
    assert AutoTokenizer.from_pretrained(out)("cyst.").input_ids == loaded.tokenizer("cyst.").input_ids


def test_a_detector_without_a_tokenizer_is_refused_and_nothing_is_written(tmp_path: Path, out: Path) -> None:
    source = official_grounding_dino(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    message = refusal(lambda: convert_checkpoint(source, out))
    assert "tokenizer" in message and "gdinousam download" in message
    source.unlink()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("file", "kind"), [("sam_vit_b.pth", "sam"), ("medsam_vit_b.pth", "medsam")])
def test_a_sam_or_medsam_file_becomes_a_folder_that_remembers_which(
    tmp_path: Path, out: Path, file: str, kind: SamPreprocessing
) -> None:
    (tmp_path / "weights").mkdir()  # the name of this test's folder would say that it is MedSAM
    said = convert_checkpoint(official_sam(tmp_path / "weights" / file), out)
    assert f"model.mask_head: {out}" in said and f" {'MedSAM' if kind == 'medsam' else 'SAM'} " in said
    head = load_mask_head(str(out))
    assert isinstance(head, SamMaskHead) and type(head.frame) is frame_of(kind)
    assert isinstance(SamModel.from_pretrained(out), SamModel)


@pytest.mark.slow
def test_a_sam2_file_becomes_a_folder(tmp_path: Path, out: Path) -> None:
    source = official_sam2(tmp_path / "sam2.pt")
    said = convert_checkpoint(source, out)
    assert f"model.mask_head: {out}" in said and " SAM2 " in said
    expected, found = load_mask_head(str(source)), load_mask_head(str(out))
    theirs = Sam2Model.from_pretrained(out).state_dict()
    assert Sam2Processor.from_pretrained(out).image_processor.size["height"] == found.side
    for name, tensor in expected.model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], tensor) and torch.equal(theirs[name], tensor), name


def test_the_published_lora_becomes_an_adapter_folder(
    small_detector: Path, lora_file: Path, by_hand: Detector, out: Path
) -> None:
    said = convert_checkpoint(lora_file, out, str(small_detector))
    assert f"model.adapter: {out}" in said and str(small_detector) in said
    assert distance(load_detector(str(small_detector), out), by_hand) < NO_CHANGE
    assert distance(load_detector(str(out)), by_hand) < NO_CHANGE  # the folder names its base
    assert json.loads((out / BASE_NOTE).read_text())["name"] == small_detector.name
    assert distance(by_hand, load_detector(str(small_detector))) > 0.01


# the names of the shared box head beyond the first, of which peft stores one
@pytest.mark.filterwarnings("ignore:Found missing adapter keys")
def test_peft_opens_the_converted_lora(small_detector: Path, lora_file: Path, by_hand: Detector, out: Path) -> None:
    convert_checkpoint(lora_file, out, str(small_detector))
    base, tokenizer = load_grounding_dino(str(small_detector))
    prepare_for_adapters(base)  # needed with transformers 5 only
    assert distance(Detector(PeftModel.from_pretrained(base, str(out)), tokenizer).eval(), by_hand) < NO_CHANGE


def test_a_lora_file_needs_its_base(lora_file: Path, out: Path) -> None:
    assert "add --detector BASE" in refusal(lambda: convert_checkpoint(lora_file, out))
    assert "add --detector BASE" in refusal(lambda: export_adapter(lora_file, out))
    assert not out.exists()


def test_a_detector_that_is_not_needed_is_said_to_be_unused(
    tmp_path: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    convert_checkpoint(official_sam(tmp_path / "sam.pth"), out, "random-small")
    assert "random-small is not used" in caplog.text


def test_a_merged_folder_is_a_plain_detector(
    small_detector: Path, lora_file: Path, by_hand: Detector, tmp_path: Path, out: Path
) -> None:
    resize = ResizeSettings(mode="shortest_edge", size=96, longest_edge=160)
    convert_checkpoint(lora_file, tmp_path / "adapter", str(small_detector))
    save_resize(tmp_path / "adapter", resize)
    said = export_adapter(tmp_path / "adapter", out)
    assert f"model.detector: {out}" in said
    assert not any("adapter" in name for name in names_in(out))
    merged = load_detector(str(out))
    assert distance(merged, by_hand) < NO_CHANGE
    theirs = GroundingDinoForObjectDetection.from_pretrained(out)
    assert distance(Detector(theirs, merged.tokenizer).eval(), merged) == 0
    assert trained_resize(out) == resize
    assert dict(AutoProcessor.from_pretrained(out).image_processor.size) == {"shortest_edge": 96, "longest_edge": 160}
    assert "A Grounding DINO for ultrasound images" in (out / "README.md").read_text()


def test_the_published_lora_is_merged_directly(
    small_detector: Path, lora_file: Path, by_hand: Detector, out: Path
) -> None:
    export_adapter(lora_file, out, str(small_detector))
    assert distance(load_detector(str(out)), by_hand) < NO_CHANGE


def test_what_is_no_adapter_is_not_merged(small_detector: Path, tmp_path: Path, out: Path) -> None:
    for adapter in (small_detector, tmp_path / "missing"):
        assert f"{adapter} is not a LoRA adapter" in refusal(lambda adapter=adapter: export_adapter(adapter, out))
    assert not out.exists()


def test_a_source_that_needs_no_conversion_is_refused(small_detector: Path, out: Path) -> None:
    weights = small_detector / "model.safetensors"
    assert "in transformers' format already" in refusal(lambda: convert_checkpoint(weights, out))
    assert "is a folder" in refusal(lambda: convert_checkpoint(small_detector, out))
    assert not out.exists()


def test_the_origin_is_noted(small_detector: Path, lora_file: Path, out: Path) -> None:
    convert_checkpoint(lora_file, out, str(small_detector))
    note = json.loads((out / ORIGIN_NOTE).read_text())
    assert note["made_from"] == lora_file.name and note["base"] == small_detector.name and len(note["sha256"]) == 64


def test_only_an_earlier_conversion_is_replaced_and_only_when_asked(
    small_detector: Path, lora_file: Path, out: Path
) -> None:
    out.mkdir()
    convert_checkpoint(lora_file, out, str(small_detector))  # an empty folder is not in use
    before = names_in(out)
    assert "add --overwrite" in refusal(lambda: convert_checkpoint(lora_file, out, str(small_detector)))
    (out / "mine.txt").write_text("mine")
    convert_checkpoint(lora_file, out, str(small_detector), overwrite=True)
    assert names_in(out) == before
    (out / ORIGIN_NOTE).unlink()
    message = refusal(lambda: convert_checkpoint(lora_file, out, str(small_detector), overwrite=True))
    assert "is not a conversion of ours" in message
    assert "in use" in refusal(lambda: convert_checkpoint(lora_file, lora_file, str(small_detector)))


def test_an_input_is_never_replaced_by_its_own_conversion(small_detector: Path, lora_file: Path, out: Path) -> None:
    convert_checkpoint(lora_file, out, str(small_detector))
    for convert in (
        lambda: export_adapter(out, out, overwrite=True),
        lambda: convert_checkpoint(lora_file, out, str(out), overwrite=True),
    ):
        assert f"lies in {out}" in refusal(convert)
    assert (out / BASE_NOTE).is_file()


def test_a_failure_leaves_an_earlier_conversion_as_it_was(
    small_detector: Path, lora_file: Path, tmp_path: Path, out: Path
) -> None:
    convert_checkpoint(lora_file, out, str(small_detector))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    lora_file.write_bytes(lora_file.read_bytes()[:-1000])
    refusal(lambda: convert_checkpoint(lora_file, out, str(small_detector), overwrite=True))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert names_in(tmp_path) == ["lora.pth", "out"]


def test_conversions_say_what_they_do(
    small_detector: Path, lora_file: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="gdinousam"):
        convert_checkpoint(lora_file, out, str(small_detector))
    assert "published LoRA" in caplog.text and "rank 4" in caplog.text and "sha256" in caplog.text
