"""Fine-tuning BiomedCLIP: the recorded losses and gradients, the pairs it learns from, and its weights in a test."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from medclip_files import needs_goldens, recorded

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.test import evaluate_command
from gdinousam.commands.train_baseline import train_baseline_command
from gdinousam.data.dataset import Batch, Example
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.results import read_results
from gdinousam.methods.medclip_sam.dhn_nce import DhnNce
from gdinousam.methods.medclip_sam.segmenter import TEMPLATE, SentenceReader
from gdinousam.methods.medclip_sam.task import PairsTask
from gdinousam.methods.medclip_sam.weights import SIZE, fingerprint, load_biomedclip, save_biomedclip
from gdinousam.methods.sentences import Sentences
from gdinousam.runtime import torch_seed


@needs_goldens
@pytest.mark.parametrize("number", range(4))
def test_losses_and_gradients_are_the_recorded_ones(number: int) -> None:
    arrays = recorded("dhn_nce")
    image, text = (torch.from_numpy(arrays[name]).requires_grad_() for name in ("image_features", "text_features"))
    loss = DhnNce(*arrays[f"cfg{number}"].tolist()).loss(image, text)
    loss.backward()
    assert abs(loss.item() - float(arrays[f"loss{number}"])) < 1e-6
    for tensor, name in ((image, "image"), (text, "text")):
        assert tensor.grad is not None
        assert np.abs(tensor.grad[:, ::8].numpy() - arrays[f"grad_{name}{number}"]).max() < 1e-7


def test_pairs_that_fit_cost_less() -> None:
    image = torch.eye(4, 8)
    assert DhnNce().loss(image, image) < DhnNce().loss(image, image.roll(1, 0))


def test_a_single_pair_costs_nothing_and_teaches_nothing() -> None:
    image, text = (torch.randn(1, 8, requires_grad=True) for _ in range(2))
    loss = DhnNce().loss(image, text)
    loss.backward()
    assert loss.item() == 0 and image.grad is not None and not image.grad.any()


@pytest.fixture
def task() -> PairsTask:
    with torch_seed(0):
        return PairsTask(SentenceReader(*load_biomedclip("random-small")), Sentences(TEMPLATE), DhnNce())


def batch_of(*phrases: tuple[str, ...], num_objects: int = 1) -> Batch:
    pictures = torch.randn(len(phrases), 3, 64, 64, generator=torch.Generator().manual_seed(0))
    boxes = torch.full((num_objects, 4), 0.5)
    examples = tuple(
        Example(picture, boxes, of_image, torch.arange(num_objects), None)
        for picture, of_image in zip(pictures, phrases, strict=True)
    )
    return Batch(pictures, None, examples)


def test_a_batch_weighs_as_many_images_as_it_holds(task: PairsTask) -> None:
    batch = batch_of(("cyst",), ("kidney",), ("liver",))
    with torch.no_grad():
        losses = task.losses(batch)
        assert task.counts(batch) == {"images": 3}
        assert task.sums(task.model, batch)["dhn_nce"].item() == pytest.approx(3 * losses["loss"].item())
        other_words = task.losses(batch_of(("kidney",), ("cyst",), ("liver",)))
    assert losses["loss"] != other_words["loss"]


def test_a_phrase_without_an_object_is_never_the_pair(task: PairsTask) -> None:
    """An absent phrase stands among an example's phrases, but no object has it."""
    with torch.no_grad():
        one, other = (task.losses(batch_of(("cyst", absent), ("kidney", "liver")))["loss"] for absent in ("a", "b"))
    assert one == other


def test_validation_takes_the_first_object_and_training_any(task: PairsTask) -> None:
    batch = batch_of(("cyst", "nodule"), ("kidney", "liver"), num_objects=2)
    first = batch_of(("cyst",), ("kidney",))
    with torch.no_grad():
        assert task.losses(batch)["loss"] == task.losses(first)["loss"]
        task.model.train()
        drawn = set()
        for seed in range(12):
            with torch_seed(seed):
                drawn.add(round(task.losses(batch)["loss"].item(), 6))
    assert len(drawn) > 1


def test_an_image_without_objects_is_an_error(task: PairsTask) -> None:
    with pytest.raises(ValueError, match="learns from phrases of objects"):
        task.losses(batch_of(("cyst",), ("kidney",), num_objects=0))


def test_saved_weights_load_with_their_size_and_tokenizer(task: PairsTask, tmp_path: Path) -> None:
    task.save(tmp_path)
    model, tokenizer = load_biomedclip(str(tmp_path))
    assert fingerprint(model) == fingerprint(task.model) and model.size == task.model.size
    text = "An ultrasound image showing cyst."
    assert tokenizer(text)["input_ids"] == task._reader.tokenizer(text)["input_ids"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "gdinousam_biomedclip.json"),
        ('{"size": {"width": 0}}', "size: width: .*greater than 0; restore it"),
        ('{"size": {"width": 65}}', "width = 65 must be a multiple of num_heads = 12"),
        ('{"size": {"breadth": 64}}', "size: breadth: .*; restore it"),
    ],
)
def test_a_damaged_size_is_one_line(task: PairsTask, tmp_path: Path, content: str, message: str) -> None:
    save_biomedclip(task.model, task._reader.tokenizer, tmp_path)
    (tmp_path / SIZE).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        load_biomedclip(str(tmp_path))
    assert "\n" not in str(caught.value)


def tree_of(data: Path, folder: Path) -> dict[str, Any]:
    return {
        "data": {
            "train_dir": str(data / "train"),
            "train_ann": str(data / "train.CSV"),
            "val_dir": str(data / "val"),
            "val_ann": str(data / "val.CSV"),
            "batch_size": 4,
            "num_workers": 0,
        },
        "augmentation": None,
        "baseline": {"name": "medclip_samv2", "start": "random-small"},
        "training": {
            "output_dir": str(folder),
            "num_epochs": 6,
            "learning_rate": 0.001,
            "device": "cpu",
            "num_sample_pictures": 1,
        },
    }


def write(tree: dict[str, Any], path: Path) -> Path:
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


@pytest.mark.slow
def test_fine_tuning_learns_and_its_run_can_be_tested(phantom_data: Path, tmp_path: Path) -> None:
    config = write(tree_of(phantom_data, tmp_path / "run"), tmp_path / "train.yaml")
    assert run(train_baseline_command, ["--config", str(config)]) == 0
    with (tmp_path / "run" / "metrics.csv").open(encoding="utf-8") as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0] - 0.1
    tree = {
        "data": {
            "test_dir": str(phantom_data / "test_image"),
            "test_ann": str(phantom_data / "test.CSV"),
            "test_masks": str(phantom_data / "test_mask"),
            "num_workers": 0,
        },
        "baseline": {"name": "medclip_samv2", "weights": str(tmp_path / "run"), "sam": "random-small"},
        "evaluation": {"output_dir": str(tmp_path / "out"), "method": "A", "num_pictures": 0, "device": "cpu"},
    }
    assert run(evaluate_command, ["--config", str(write(tree, tmp_path / "test.yaml"))]) == 0
    assert any(row.found for row in read_results(tmp_path / "out").rows)


def test_wrong_sentences_end_before_anything_is_written(
    phantom_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tree = tree_of(phantom_data, tmp_path / "run")
    tree["baseline"]["sentences"] = "none.yaml"
    assert run(train_baseline_command, ["--config", str(write(tree, tmp_path / "train.yaml"))]) == BAD_INPUT
    assert "none.yaml: no such file of sentences" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
