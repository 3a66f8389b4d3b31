"""The published weights of UniverSeg, ``universeg_v1_nf64_ss64_STA.pt``, read into our network."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from gdinousam.errors import InputError
from gdinousam.methods.universeg.network import FEATURES, SLOPE, UniverSegNetwork
from gdinousam.models.checkpoints.files import Tensors, read_tensors, require_kind
from gdinousam.models.checkpoints.keys import listed, rename, translate
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.mask_heads.random_sam import RANDOM

_SMALL_FEATURES = 8
_BLOCK = r"(en|de)c_blocks\.(\d+)"
_RULES = (
    rename(rf"{_BLOCK}\.cross\.cross_conv\.(weight|bias)", r"\1coder.\2.cross.\3"),
    rename(rf"{_BLOCK}\.(target|support)\.vmapped\.conv\.(weight|bias)", r"\1coder.\2.\3.\4"),
    rename(r"out_conv\.conv\.(weight|bias)", r"output.\1"),
)
# Every name in an official file is used.
_NOTHING = r"(?!)"


def load_universeg(weights: str) -> UniverSegNetwork:
    """Load the frozen network, in eval mode.

    weights: the official file, ``random`` for the same size or ``random-small`` for a narrow network, both with weights
    from torch's generator, whose masks mean nothing.
    Raises InputError for a file that is missing or unreadable, that holds another model, or of which any tensor is
    missing, left over or of another shape.
    """
    if weights == RANDOM:
        network = _random(FEATURES)
    elif weights == RANDOM_SMALL:
        network = _random(_SMALL_FEATURES)
    else:
        path = Path(weights)
        network = _filled(UniverSegNetwork(), require_kind(read_tensors(path), "UniverSeg", path), path)
    network.requires_grad_(False)
    return network.eval()


def _filled(network: UniverSegNetwork, tensors: Tensors, path: Path) -> UniverSegNetwork:
    renamed = translate(tensors, _RULES, _NOTHING, path)
    expected = network.state_dict()
    problems = {
        "lacks {}": [name for name in expected if name not in renamed],
        "has {} too many": [name for name in renamed if name not in expected],
        "has {} of another shape": [
            name for name in expected if name in renamed and renamed[name].shape != expected[name].shape
        ],
    }
    for problem, names in problems.items():
        if names:
            raise InputError(f"{path} {problem.format(listed(names))}; give the official UniverSeg file")
    network.load_state_dict(renamed)
    return network


def _random(features: int) -> UniverSegNetwork:
    network = UniverSegNetwork(features)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                # torch's own start gives nearly constant answers, and as all inputs are positive, of one sign as a rule
                nn.init.kaiming_uniform_(module.weight, a=SLOPE)
                module.weight -= module.weight.mean(dim=(1, 2, 3), keepdim=True)
                module.bias.zero_()
    return network
