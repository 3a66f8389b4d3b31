"""Adapters from disk: the published file and folders of ours and peft's, each on its own base and no other."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import GroundingDinoForObjectDetection
from weight_files import linear, merge_by_hand, published_lora, write

from gdinousam.errors import InputError
from gdinousam.models.adapters.base_note import BASE_NOTE, describe_base, weights_sha256
from gdinousam.models.adapters.loading import describe_adapter, load_adapter, save_adapter
from gdinousam.models.adapters.lora import LoraSettings, add_lora, count_parameters, prepare_for_adapters
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.published_lora import LAST_BOX_LAYER, adapted_modules
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import base_name, load_detector, load_grounding_dino
from gdinousam.preprocessing import ResizeSettings
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.runtime import torch_seed
from gdinousam.training.settings import LossSettings
from gdinousam.training.tasks import DetectorTask

NO_CHANGE = 1e-5  # merging adds the same numbers in another order
UNREAD = "conv_encoder.model.swin.layernorm."  # in transformers 5 only, and read by nothing


@pytest.fixture
def model(small_detector: Path) -> GroundingDinoForObjectDetection:
    return plain(small_detector)


@pytest.fixture
def published(model: GroundingDinoForObjectDetection) -> Tensors:
    return published_lora(model)


@pytest.fixture
def folder(small_detector: Path, tmp_path: Path) -> Path:
    """Folder of an adapter of ours, as training leaves it."""
    model, tokenizer = load_grounding_dino(str(small_detector))
    adapted = add_lora(model, LoraSettings(rank=2))
    with torch_seed(3), torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    (tmp_path / "ours").mkdir()
    task = DetectorTask(
        Detector(adapted, tokenizer), LossSettings(), ResizeSettings(size=96), base=base_name(str(small_detector))
    )
    task.save(tmp_path / "ours")
    return tmp_path / "ours"


def plain(folder: Path) -> GroundingDinoForObjectDetection:
    return load_grounding_dino(str(folder))[0]


def answers(model: nn.Module, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Token logits and boxes for one image. folder: where the tokenizer lies."""
    detector = Detector(model, load_grounding_dino(str(folder))[1]).eval()  # type: ignore[arg-type]
    tokens = tokenize_captions([build_caption(["cyst", "liver"])], detector.tokenizer, detector.max_tokens)
    with torch.no_grad(), torch_seed(7):
        last = detector(torch.randn(1, 3, 96, 96), tokens).last
    return last.logits, last.boxes_cxcywh_norm


def distance(first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> float:
    return max(float((left - right).abs().max()) for left, right in zip(first, second, strict=True))


def refusal(load: Callable[[], object]) -> str:
    """The message of the InputError, which must be one line."""
    with pytest.raises(InputError) as caught:
        load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_published_file_changes_the_detector_as_it_says(
    small_detector: Path, published: Tensors, tmp_path: Path
) -> None:
    path = write(tmp_path / "lora.pth", published)
    by_hand = answers(merge_by_hand(plain(small_detector), published), small_detector)
    adapted = load_adapter(plain(small_detector), path)
    assert count_parameters(adapted).adapted_modules == len([name for name in published if "lora_A" in name])
    unmerged = answers(adapted, small_detector)
    merged = answers(load_detector(str(small_detector), path).model, small_detector)
    assert distance(unmerged, by_hand) < NO_CHANGE
    assert distance(merged, by_hand) < NO_CHANGE
    assert distance(by_hand, answers(plain(small_detector), small_detector)) > 0.01


def test_the_trained_box_layer_of_the_published_file_counts_merged_and_unmerged(
    small_detector: Path, model: GroundingDinoForObjectDetection, published: Tensors, tmp_path: Path
) -> None:
    untrained = {f"{LAST_BOX_LAYER}.{part}": p.detach() for part, p in linear(model, LAST_BOX_LAYER).named_parameters()}
    boxes = []
    for tensors in (published, published | untrained):
        path = write(tmp_path / "lora.pth", tensors)
        adapted = load_adapter(plain(small_detector), path)
        unmerged = answers(adapted, small_detector)[1]
        merged = answers(adapted.merge_and_unload(), small_detector)[1]
        torch.testing.assert_close(merged, unmerged, atol=NO_CHANGE, rtol=0)
        boxes.append(merged)
    assert (boxes[0] - boxes[1]).abs().max() > 0.01


def test_the_trained_box_layer_can_be_left_out_as_in_the_public_code(
    small_detector: Path, published: Tensors, tmp_path: Path
) -> None:
    path = write(tmp_path / "lora.pth", published)
    without = load_detector(str(small_detector), path, trained_box_layer=False).grounding_dino
    base, expected = plain(small_detector), merge_by_hand(plain(small_detector), published)
    linear(expected, LAST_BOX_LAYER).load_state_dict(linear(base, LAST_BOX_LAYER).state_dict())
    trained = load_detector(str(small_detector), path).grounding_dino
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(without.state_dict()[name], tensor, atol=NO_CHANGE, rtol=0)
    assert not torch.equal(linear(trained, LAST_BOX_LAYER).weight, linear(base, LAST_BOX_LAYER).weight)


def test_a_published_file_with_base_weights_loads_on_its_own_base_only(
    small_detector: Path, model: GroundingDinoForObjectDetection, published: Tensors, tmp_path: Path
) -> None:
    attention = model.model.decoder.layers[0].self_attn
    joint = torch.cat([part.weight.detach() for part in (attention.query, attention.key, attention.value)])
    own = {
        "bbox_embed.0.layers.2.original_module.weight": linear(model, LAST_BOX_LAYER).weight.detach(),
        "feat_map.base_layer.weight": linear(model, "feat_map").weight.detach(),
        "transformer.level_embed": model.model.level_embed.detach(),
        "transformer.decoder.layers.0.self_attn.in_proj_weight": joint,
        # read by nothing, and so no part of the base
        "bert.pooler.dense.weight": torch.rand(2, 2),
        "bert.embeddings.position_ids": torch.arange(9),
    }
    path = write(tmp_path / "lora.pth", published | own)
    load_adapter(model, path)
    for name in list(own)[:4]:
        write(path, published | own | {name: own[name] + 1e-6})
        message = refusal(lambda: load_adapter(plain(small_detector), path))
        shown = name.replace(".base_layer", "").replace(".original_module", "")
        assert f"for another base: 1 tensor ({shown})" in message


def test_a_published_file_with_unknown_base_weights_is_refused(
    small_detector: Path, published: Tensors, tmp_path: Path
) -> None:
    for name in ("feat_map.scale", "transformer.somewhere.weight"):
        path = write(tmp_path / "lora.pth", published | {name: torch.ones(1)})
        assert str(path) in refusal(lambda path=path: load_adapter(plain(small_detector), path))


def test_a_published_file_of_another_size_is_refused_with_both_shapes(
    model: GroundingDinoForObjectDetection, published: Tensors, tmp_path: Path
) -> None:
    name = "transformer.encoder.layers.0.linear1.lora_A"
    path = write(tmp_path / "lora.pth", published | {f"{name}.weight": torch.ones(4, 256)})
    message = refusal(lambda: load_adapter(model, path))
    assert f"{name} has shape (4, 256), not (4, 128)" in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cut off"),
        ({"feat_map.weight": torch.ones(1)}, "a Grounding DINO model"),
        ({"x": torch.ones(1)}, "unknown"),
    ],
)
def test_a_file_that_is_no_adapter_is_refused(
    model: GroundingDinoForObjectDetection,
    published: Tensors,
    tmp_path: Path,
    content: Tensors | None,
    problem: str,
) -> None:
    path = write(tmp_path / "lora.pth", content or published)
    if content is None:
        path.write_bytes(path.read_bytes()[:-1000])
    assert problem in refusal(lambda: load_adapter(model, path))


@pytest.fixture
def peft_folder(published: Tensors, tmp_path: Path) -> Path:
    """The published LoRA as ``save_pretrained`` writes it over groundingdino-py's modules, with twice the alpha."""
    (tmp_path / "peft").mkdir()
    tensors = {f"base_model.model.{name}": tensor.contiguous() for name, tensor in published.items()}
    save_file(tensors, tmp_path / "peft" / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["linear1"]}
    (tmp_path / "peft" / "adapter_config.json").write_text(json.dumps(config))
    return tmp_path / "peft"


def test_the_published_lora_as_pefts_folder_has_the_alpha_of_its_config(
    small_detector: Path, published: Tensors, peft_folder: Path
) -> None:
    doubled = {name: tensor * (2 if "lora_B" in name else 1) for name, tensor in published.items()}
    by_hand = answers(merge_by_hand(plain(small_detector), doubled), small_detector)
    assert distance(answers(load_adapter(plain(small_detector), peft_folder), small_detector), by_hand) < NO_CHANGE
    assert distance(answers(load_detector(str(small_detector), peft_folder).model, small_detector), by_hand) < NO_CHANGE


def test_the_published_lora_as_pefts_folder_with_another_scale_or_rank_is_refused(
    model: GroundingDinoForObjectDetection, peft_folder: Path
) -> None:
    path = peft_folder / "adapter_config.json"
    config = json.loads(path.read_text())
    for changed, said in (
        (config | {"use_rslora": True}, "rank-stabilised"),
        (config | {"r": 5}, "says rank 5"),
        ({"peft_type": "IA3"}, "of peft's kind IA3"),
    ):
        path.write_text(json.dumps(changed))
        assert said in refusal(lambda: load_adapter(model, peft_folder))


def test_adapters_are_described_without_a_model(folder: Path, tmp_path: Path) -> None:
    assert describe_adapter(folder).startswith("a LoRA folder for transformers' Grounding DINO, rank 2, ")
    tensors = {f"{module}.lora_{part}.weight": torch.ones(3, 3) for module in adapted_modules(6, 6) for part in "AB"}
    tensors |= {f"{LAST_BOX_LAYER}.weight": torch.ones(4, 3), f"{LAST_BOX_LAYER}.bias": torch.ones(4)}
    path = write(tmp_path / "lora.pth", tensors)
    assert describe_adapter(path) == "a LoRA of the public adaptation, rank 3, 81 adapted modules"


def test_a_lora_of_another_model_is_not_described_as_ours(tmp_path: Path) -> None:
    save_file({"base_model.model.lm.q_proj.lora_A.weight": torch.ones(4, 8)}, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4}))
    assert "is of another model than Grounding DINO: 1 tensor (base_model.model.lm" in refusal(
        lambda: describe_adapter(tmp_path)
    )
    (tmp_path / "adapter_config.json").write_text("{")
    assert "is not readable" in refusal(lambda: describe_adapter(tmp_path))


def test_a_part_of_an_adapter_folder_is_refused_with_the_folder(
    model: GroundingDinoForObjectDetection, folder: Path
) -> None:
    message = refusal(lambda: load_adapter(model, folder / "adapter_model.safetensors"))
    assert message.endswith(f"give its folder, {folder}")


def test_a_rank_that_the_config_denies_is_refused_with_both(
    model: GroundingDinoForObjectDetection, folder: Path
) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 3}))
    message = refusal(lambda: load_adapter(model, folder))
    assert "says rank 3" in message and "has rank 2" in message


def test_an_adapter_names_its_base_and_the_hash_of_its_weights(small_detector: Path, folder: Path) -> None:
    note = json.loads((folder / BASE_NOTE).read_text())
    base = plain(small_detector)
    assert note["name"] == small_detector.name
    assert note["sha256"] == weights_sha256(base)
    assert note["num_parameters"] == sum(parameter.numel() for parameter in read_parameters(base))


# what peft makes of the names with transformers 4.57; with 5 the image backbone has modules of these endings too
ENDINGS = ["0.layers.0", "0.layers.1", "fc1", "fc2", "out_proj", "text_projection"]
ENDINGS += [f"encoder_attn.{part}" for part in ("attention_weights", "output_proj", "sampling_offsets", "value_proj")]


def test_an_adapter_names_its_modules_in_full_and_loads_with_their_endings_too(
    small_detector: Path, folder: Path
) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    stored = load_file(folder / "adapter_model.safetensors")
    adapted = {name.removeprefix("base_model.model.").split(".lora_")[0] for name in stored if ".lora_" in name}
    assert set(config["target_modules"]) == adapted
    expected = answers(load_adapter(plain(small_detector), folder), small_detector)
    (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ENDINGS}))
    assert distance(answers(load_adapter(plain(small_detector), folder), small_detector), expected) == 0


def test_an_adapter_is_refused_on_another_base(small_detector: Path, folder: Path) -> None:
    other = plain(small_detector)
    with torch.no_grad():
        other.model.level_embed[0, 0] += 1e-6
    message = refusal(lambda: load_adapter(other, folder))
    assert f"{folder} was made for {small_detector.name} (sha256 " in message
    assert weights_sha256(other)[:12] in message and weights_sha256(plain(small_detector))[:12] in message
    assert "small-v1" not in message
    assert message.endswith("; name that base as the detector, or tune again")
    note = json.loads((folder / BASE_NOTE).read_text())
    (folder / BASE_NOTE).write_text(json.dumps(note | {"name": "small"}))
    changed = "; name small as the detector; where it is named already, its weights have changed since: name a copy"
    assert changed in refusal(lambda: load_adapter(other, folder))


def test_an_adapter_loads_on_a_moved_copy_of_its_base(small_detector: Path, folder: Path, tmp_path: Path) -> None:
    plain(small_detector).save_pretrained(tmp_path / "moved")
    load_adapter(GroundingDinoForObjectDetection.from_pretrained(tmp_path / "moved"), folder)


def test_an_adapter_without_a_note_loads_and_says_that_its_base_is_unchecked(
    model: GroundingDinoForObjectDetection, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / BASE_NOTE).unlink()
    with caplog.at_level(logging.INFO, logger="gdinousam"):
        load_adapter(model, folder)
    assert "could not be checked" in caplog.text


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"name": "x", "sha256": 3, "num_parameters": 1}'])
def test_a_broken_note_is_refused(model: GroundingDinoForObjectDetection, folder: Path, content: str) -> None:
    (folder / BASE_NOTE).write_text(content)
    assert str(folder / BASE_NOTE) in refusal(lambda: load_adapter(model, folder))


def test_the_hash_is_of_the_base_below_an_adapter(small_detector: Path, folder: Path) -> None:
    adapted = load_adapter(plain(small_detector), folder)
    assert weights_sha256(adapted) == weights_sha256(adapted.get_base_model()) == weights_sha256(plain(small_detector))
    merged = adapted.merge_and_unload()
    assert weights_sha256(merged) != weights_sha256(plain(small_detector))


def read_parameters(model: GroundingDinoForObjectDetection) -> list[nn.Parameter]:
    return [parameter for name, parameter in model.named_parameters() if UNREAD not in name]


class Renamed(nn.Module):
    """The same weights as another version of transformers holds them: other names, some of them several times."""

    def __init__(self, model: GroundingDinoForObjectDetection) -> None:
        super().__init__()
        weights = [parameter.detach() for parameter in read_parameters(model)]
        self.weights = nn.ParameterList([*weights[::-1], weights[0].clone()])


def test_the_hash_depends_on_values_and_shapes_alone(model: GroundingDinoForObjectDetection) -> None:
    expected = weights_sha256(model)
    assert weights_sha256(Renamed(model)) == expected
    backbone = model.model.backbone.conv_encoder.model
    getattr(backbone, "swin", backbone).layernorm = nn.LayerNorm(3)  # as in transformers 5: part of no answer
    assert weights_sha256(model) == expected
    with torch.no_grad():
        bias = model.model.encoder.layers[0].deformable_layer.fc1.bias
        bias[0] += 1e-6
    assert weights_sha256(model) != expected


def test_the_hash_tells_shapes_apart() -> None:
    assert weights_sha256(nn.Linear(2, 3)) != weights_sha256(nn.Linear(2, 3))
    wide, tall = nn.ParameterList([torch.ones(2, 3)]), nn.ParameterList([torch.ones(3, 2)])
    assert weights_sha256(wide) != weights_sha256(tall)


# the names of the shared box head beyond the first, of which peft stores one
@pytest.mark.filterwarnings("ignore:Found missing adapter keys")
def test_peft_opens_our_folder_on_a_prepared_model(small_detector: Path, folder: Path) -> None:
    ours = answers(load_adapter(plain(small_detector), folder), small_detector)
    base = GroundingDinoForObjectDetection.from_pretrained(small_detector)
    prepare_for_adapters(base)  # needed with transformers 5 only
    theirs = answers(PeftModel.from_pretrained(base, str(folder)), small_detector)
    assert distance(ours, theirs) == 0
    assert distance(ours, answers(plain(small_detector), small_detector)) > 0.01


def test_merged_equals_unmerged(small_detector: Path, folder: Path) -> None:
    adapted = load_adapter(plain(small_detector), folder)
    unmerged = answers(adapted, small_detector)
    assert distance(answers(adapted.merge_and_unload(), small_detector), unmerged) < NO_CHANGE
    assert distance(unmerged, answers(plain(small_detector), small_detector)) > 0.01


def test_an_adapter_read_from_a_published_file_comes_back_as_saved(
    small_detector: Path, model: GroundingDinoForObjectDetection, published: Tensors, tmp_path: Path
) -> None:
    adapted = load_adapter(model, write(tmp_path / "lora.pth", published))
    save_adapter(adapted, describe_base(adapted, str(small_detector)), tmp_path)
    expected = answers(adapted, small_detector)
    assert distance(answers(load_adapter(plain(small_detector), tmp_path), small_detector), expected) == 0
    assert distance(answers(load_detector(str(tmp_path)).model, small_detector), expected) < NO_CHANGE


def test_tensors_that_an_adapter_lacks_or_has_too_many_are_refused(small_detector: Path, folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if "text_projection.lora_B" in name)
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, path)
    assert "lacks 1 tensors" in refusal(lambda: load_adapter(plain(small_detector), folder))
    save_file(tensors | {"base_model.model.nowhere.lora_B.weight": torch.ones(2, 2)}, path)
    assert "has unknown 1 tensors" in refusal(lambda: load_adapter(plain(small_detector), folder))
