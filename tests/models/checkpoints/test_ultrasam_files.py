"""The published UltraSam file: read whole, every tensor where it belongs, and no other file in its place."""

import json
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from benchmarks.parity.weights import rule_values
from gdinousam.errors import InputError
from gdinousam.methods.ultrasam.checkpoint import ultrasam_from
from gdinousam.methods.ultrasam.segmenter import load_ultrasam
from gdinousam.models.checkpoints.files import Tensors, read_tensors
from gdinousam.models.checkpoints.sam import sam_from

GOLDENS = Path(__file__).parents[3] / ".." / "shared" / "goldens"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded facts that developers have")
PATH = Path("UltraSam.pth")
LABELS = "prompt_encoder.label_encoder.label_embedding.weight"


class HistoryBuffer:
    """As the class of mmengine in which a checkpoint of a training run keeps its logged numbers: arrays and methods."""

    def __init__(self) -> None:
        self._log_history = np.array([0.5, 0.25])
        self._statistics_methods = {"mean": self.mean}

    def mean(self) -> float:
        return float(self._log_history.mean())


def sam_tensors() -> Tensors:
    """ViT-B under official names, filled by the rule."""
    keys = json.loads((GOLDENS / "medsam" / "state_dict_keys.json").read_text(encoding="utf-8"))["keys"]
    return {name: torch.from_numpy(rule_values(name, tuple(shape))) for name, (shape, _) in keys.items()}


def published(sam: Tensors) -> Tensors:
    """The tensors of SAM as UltraSam's authors convert them."""
    sources = json.loads((GOLDENS / "ultrasam" / "mmdet_key_from_sam_keys.json").read_text(encoding="utf-8"))
    return {
        name: sam[source] if isinstance(source, str) else torch.cat([sam[part] for part in source["concat_dim0"]])
        for name, source in sources.items()
    }


@pytest.fixture
def zeros() -> Tensors:
    """Names and shapes of the published file, with zeros that take no memory of their own."""
    keys = json.loads((GOLDENS / "ultrasam" / "mmdet_state_dict_keys.json").read_text(encoding="utf-8"))["keys"]
    return {name: torch.zeros(()).expand(shape) for name, (shape, _) in keys.items()}


def refusal(tensors: Tensors) -> str:
    """The message of the InputError, which must be one line that names the file."""
    with pytest.raises(InputError) as caught:
        ultrasam_from(tensors, PATH)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(PATH))
    return message


def mmengine_checkpoint(tensors: Tensors) -> dict[str, object]:
    """What mmengine 0.10.7 writes beside the weights, without logged numbers."""
    return {
        "meta": {"epoch": 3, "iter": 90, "cfg": "lr = 1e-4\n", "seed": 0, "dataset_meta": {"classes": ("object",)}},
        "state_dict": OrderedDict(tensors),
        "message_hub": {"log_scalars": OrderedDict(), "runtime_info": OrderedDict(iter=90), "resumed_keys": {}},
        "optimizer": {"state": {0: {"step": torch.tensor(90.0)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "param_schedulers": [{"last_step": 90}],
    }


@needs_goldens
def test_every_tensor_lands_where_it_belongs() -> None:
    sam = sam_tensors()
    tensors = published(sam)
    keys = json.loads((GOLDENS / "ultrasam" / "mmdet_state_dict_keys.json").read_text(encoding="utf-8"))["keys"]
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == {name: keys[name][0] for name in keys}
    expected = sam_from(sam, PATH).state_dict()
    model = ultrasam_from(tensors, PATH)
    found = model.state_dict()
    assert (len(tensors), len(found)) == (293, 315)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not model.training


@needs_goldens
def test_a_missing_tensor_is_named(zeros: Tensors) -> None:
    del zeros["decoder.post_norm.weight"]
    assert "missing 1 tensor (mask_decoder.transformer.layer_norm_final_attn.weight)" in refusal(zeros)


@needs_goldens
def test_a_missing_table_of_labels_is_named(zeros: Tensors) -> None:
    del zeros[LABELS]
    assert f"missing 1 tensor ({LABELS})" in refusal(zeros)


@needs_goldens
@pytest.mark.parametrize("shape", [(10, 256), (12, 256), (11,)])
def test_a_table_of_labels_of_another_shape_is_refused(zeros: Tensors, shape: tuple[int, ...]) -> None:
    zeros[LABELS] = torch.zeros(shape)
    assert f"1 tensor ({LABELS}) of another shape, {shape} instead of 11 rows" in refusal(zeros)


@needs_goldens
@pytest.mark.parametrize("name", ["mask_decoder.iou_token.weight", "decoder.layers.2.norm1.weight"])
def test_a_tensor_that_nobody_knows_is_named(zeros: Tensors, name: str) -> None:
    assert f"1 tensor ({name})" in refusal(zeros | {name: torch.zeros(256)})


@needs_goldens
def test_a_tensor_of_another_shape_is_named(zeros: Tensors) -> None:
    zeros["backbone.pos_embed"] = torch.zeros(1, 32, 32, 768)
    assert "1 tensor (vision_encoder.pos_embed) of another shape" in refusal(zeros)


@needs_goldens
def test_a_checkpoint_of_mmengine_becomes_ultrasam(zeros: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "UltraSam.pth"
    torch.save(mmengine_checkpoint(zeros), path)
    method = load_ultrasam(str(path), hint="point", masks="plain")
    assert (method.needs, method.masks, method.frame.side) == ({"point"}, "plain", 1024)
    assert not method.model.training


def test_logged_numbers_of_mmengine_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("mmengine.logging.history_buffer")
    monkeypatch.setattr(HistoryBuffer, "__module__", module.__name__)
    monkeypatch.setattr(module, "HistoryBuffer", HistoryBuffer, raising=False)
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    content = mmengine_checkpoint({LABELS: torch.ones(2)})
    content["message_hub"] = {"log_scalars": OrderedDict(loss=HistoryBuffer())}
    torch.save(content, tmp_path / "logged.pth")
    tensors = read_tensors(tmp_path / "logged.pth")
    assert tensors.keys() == {LABELS} and torch.equal(tensors[LABELS], torch.ones(2))


def test_other_objects_in_such_a_file_are_refused(tmp_path: Path) -> None:
    content = mmengine_checkpoint({LABELS: torch.ones(2)})
    content["message_hub"] = {"log_scalars": OrderedDict(loss=HistoryBuffer())}  # of another module
    torch.save(content, tmp_path / "logged.pth")
    with pytest.raises(InputError, match=r"would run code \(\S*HistoryBuffer\).*save the state dict alone"):
        load_ultrasam(str(tmp_path / "logged.pth"))


def test_another_models_file_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"image_encoder.patch_embed.proj.weight": torch.zeros(2)}, tmp_path / "sam.pth")
    with pytest.raises(InputError, match=r"sam\.pth holds a SAM model; expected an official UltraSam file$"):
        load_ultrasam(str(tmp_path / "sam.pth"))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"^nowhere\.pth: no such weight file"):
        load_ultrasam("nowhere.pth")
