"""What a short name of a model stands for: bundled, the paper's, folders and adapters."""

import shutil
from pathlib import Path

import pytest
import torch

from gdinousam import Segmenter
from gdinousam.errors import InputError
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.bundled import BUNDLED, SMALL_DETECTOR, SMALL_MASK_HEAD, bundled_folder
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import load_grounding_dino
from gdinousam.models.weights.checksums import add_sums, sha256_of
from gdinousam.prediction.models import model_names
from gdinousam.preprocessing import ResizeSettings
from gdinousam.runtime import torch_seed
from gdinousam.training.settings import LossSettings
from gdinousam.training.tasks import DetectorTask


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """The folder of a training run that tuned the bundled detector."""
    model, tokenizer = load_grounding_dino("small")
    with torch_seed(3):
        adapted = add_lora(model, LoraSettings(rank=2))
        with torch.no_grad():
            for parameter in adapted.parameters():
                if parameter.requires_grad:
                    parameter += 0.02 * torch.randn_like(parameter)
    best = tmp_path / "run" / "best"
    best.mkdir(parents=True)
    DetectorTask(Detector(adapted, tokenizer), LossSettings(), ResizeSettings(size=96), base="small").save(best)
    return best


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_has_its_own_mask_head(name: str) -> None:
    names = model_names(name, None, None)
    assert (names.detector, names.adapter, names.mask_head) == (name, None, name)
    made_by = Segmenter.load(name, device="cpu").made_by
    assert (made_by.model, made_by.mask_head) == (name, name)
    for part in ("detector", "mask_head"):
        file = bundled_folder(name) / part / "model.safetensors"
        assert made_by.weights[part] == sha256_of(file)


def test_an_adapter_a_run_and_an_adapter_on_its_base_are_one_model(adapter: Path) -> None:
    alone = Segmenter.load(adapter, device="cpu")
    of_run = Segmenter.load(adapter.parent, device="cpu")
    on_base = Segmenter.load("small", adapter=adapter, device="cpu")
    assert alone.made_by == of_run.made_by == on_base.made_by
    assert (alone.made_by.model, alone.made_by.adapter, alone.made_by.mask_head) == ("small", "run/best", "small")
    assert set(alone.made_by.weights) == {"detector", "adapter", "mask_head"}
    assert str(adapter.parent) not in repr(alone.made_by)


def test_a_folder_of_a_small_detector_gets_the_bundled_mask_head(small_detector: Path, small_mask_head: Path) -> None:
    names = model_names(small_detector, None, None)
    assert (names.detector, names.mask_head) == (str(small_detector), "small")
    segmenter = Segmenter.load(small_detector, mask_head=small_mask_head, device="cpu")
    assert segmenter.made_by.mask_head.endswith(small_mask_head.name)


def test_the_papers_weights_that_are_not_here_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="gdinousam download paper") as caught:
        Segmenter.load("paper")
    assert "\n" not in str(caught.value)


def test_the_papers_weights_are_taken_from_the_downloads(
    tmp_path: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, folder in (("grounding-dino-tiny", SMALL_DETECTOR), ("sam2.1-hiera-large", SMALL_MASK_HEAD)):
        downloaded(tmp_path / "weights" / name, folder)
    untuned = Segmenter.load("paper", device="cpu")
    assert (untuned.made_by.model, untuned.made_by.adapter) == ("IDEA-Research/grounding-dino-tiny", None)
    assert untuned.made_by.mask_head == "facebook/sam2.1-hiera-large"
    assert set(untuned.made_by.weights) == {"detector", "mask_head"}
    assert "gdinousam download paper-lora" in caplog.text

    downloaded(tmp_path / "weights" / "paper-lora", adapter)
    tuned = Segmenter.load("paper", device="cpu")
    assert tuned.made_by.adapter == "weights/paper-lora" and "adapter" in tuned.made_by.weights


def downloaded(out: Path, folder: Path) -> None:
    """Copy a folder to where the download command would have left it, with its sums."""
    shutil.copytree(folder, out)
    add_sums(out, {path.name: sha256_of(path) for path in folder.iterdir()})


@pytest.mark.parametrize("model", ["no/such/folder", "smal", "nobody/nothing", "true-box", "", None, 5])
def test_a_model_that_is_nowhere_is_refused_in_one_line(model: object) -> None:
    with pytest.raises(InputError) as caught:
        Segmenter.load(model)  # type: ignore[arg-type]
    assert str(model) in str(caught.value) and "\n" not in str(caught.value)


def test_a_mask_head_that_is_nowhere_is_refused_too() -> None:
    with pytest.raises(InputError, match="mask_head = 'nope'"):
        Segmenter.load("small", mask_head="nope")


def test_a_folder_that_is_no_detector_is_refused(tmp_path: Path, small_mask_head: Path) -> None:
    with pytest.raises(InputError, match=r"has no config\.json"):
        Segmenter.load(tmp_path)
    with pytest.raises(InputError, match="of type 'sam2"):
        Segmenter.load(small_mask_head)
