"""What all tests share: small saved models with random weights and a small dataset of phantoms."""

import os

# before the first import of a hub client: no test may go online
os.environ["HF_HUB_OFFLINE"] = "1"

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gdinousam.data.contract import remembered
from gdinousam.data.sources.phantoms import make_phantom, write_phantoms
from gdinousam.models.small import random_small_detector, random_small_mask_head, small_tokenizer
from gdinousam.records import Image
from gdinousam.runtime import keep_freed_memory, torch_seed

# models of full size are built and thrown away many times over
keep_freed_memory()

# torch starts its threads for gradients at the first backward pass, one per device. torch.export and torch.compile make
# a build with CUDA count a device that is not there, and after that no forked child (tests/kills.py) may compute
# gradients. So the first backward pass comes before them, whichever tests a process runs.
torch.ones((), requires_grad=True).backward()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with slow tests first, so that of several processes none is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def _fill_zeros(model: nn.Module) -> nn.Module:
    """Give every parameter that starts as zeros small random values: a fresh model ignores much of its input."""
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return model


@pytest.fixture(autouse=True, scope="session")
def own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is remembered about files goes where no other run of the tests finds it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembered, "cache_folder", lambda: folder)
        yield


@pytest.fixture(scope="session")
def small_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small Grounding DINO with its tokenizer."""
    folder = tmp_path_factory.mktemp("detector")
    with torch_seed(1):
        _fill_zeros(random_small_detector()).save_pretrained(folder)
    small_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small_mask_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small SAM2."""
    folder = tmp_path_factory.mktemp("mask_head")
    with torch_seed(2):
        _fill_zeros(random_small_mask_head()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def phantom_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 8 training, 4 validation and 4 test phantoms in the CSV layout, with masks; all four phrases occur."""
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    write_phantoms(folder, num_train=8, num_val=4, num_test=4, seed=5)
    return folder


@pytest.fixture(scope="session")
def phantom_images() -> list[Image]:
    """Three generated images of different sizes."""
    images = [make_phantom(np.random.default_rng(seed)).image for seed in range(3)]
    assert len({image.shape for image in images}) == 3
    return images
