"""Official Grounding DINO files: every tensor goes to its place, sizes are seen, what does not fit is named."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.parity.official_grounding_dino import official_values
from benchmarks.parity.recorded import load_recording
from gdinousam.errors import InputError
from gdinousam.models.adapters.lora import LoraSettings, add_lora
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.grounding_dino import grounding_dino_from, official_tokenizer, transformers_module
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import load_detector
from gdinousam.models.small import small_tokenizer, small_vocabulary
from gdinousam.prompts import build_caption, tokenize_captions

ROOT = Path(__file__).parents[3]
RECORDING = ROOT / "tests" / "parity" / "recorded" / "grounding_dino_swin_t.npz"
KEY_MAP = ROOT / ".." / "shared" / "goldens" / "grounding_dino" / "official_to_transformers_keys.json"
PATH = Path("official.pth")

# Sizes of the published Swin-T -> sizes of a small model of the same layout; others stay.
SMALL_BERT = {768: 64, 3072: 128, 30522: 1030, 512: 64}
SMALL_HEADS = {900: 20, 256: 64, 768: 192, 512: 128, 1024: 64, 2048: 128}
LAYERS_LEFT_OUT = (
    r"(transformer\.(en|de)coder\.\w*layers|(transformer\.decoder\.)?bbox_embed|bert\.encoder\.layer)\.([2-9]|1\d)\."
)


def small_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a tensor of the published model in the small one."""
    thirds = [size // 3 if size % 96 == 0 else size for size in shape]  # Swin of width 32 in place of 96
    if name.startswith("backbone."):
        return (shape[0], shape[1] // 3) if name.endswith("bias_table") else tuple(thirds)
    if name.startswith("bert."):
        return tuple(SMALL_BERT.get(size, size) for size in shape)
    small = [SMALL_HEADS.get(size, size) for size in shape]
    if "sampling_offsets" in name or "attention_weights" in name:
        small[0] = shape[0]  # of the numbers of heads, levels and points alone
    if name.startswith("input_proj.") and len(shape) == 4:
        small[1] = thirds[1]
    if name == "feat_map.weight":
        small[1] = SMALL_BERT[shape[1]]
    return tuple(small)


@pytest.fixture(scope="module")
def all_tensors() -> Tensors:
    """A small model under official names."""
    recording = load_recording(RECORDING)
    shapes = {name: small_shape(name, shape) for name, shape in recording.shapes.items()}
    tensors = {name: official_values(name, shape) for name, shape in shapes.items()} | recording.integers
    return {name: tensor for name, tensor in tensors.items() if not re.match(LAYERS_LEFT_OUT, name)}


@pytest.fixture
def tensors(all_tensors: Tensors) -> Tensors:
    """The same, to spoil."""
    return dict(all_tensors)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a vocabulary that has BERT's special places."""
    (tmp_path / "vocab.txt").write_text("\n".join(small_vocabulary()) + "\n")
    return tmp_path


def refusal(load: Callable[[], object]) -> str:
    """The message of the InputError, which must be one line."""
    with pytest.raises(InputError) as caught:
        load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sizes_are_read_off_the_tensors(tensors: Tensors) -> None:
    config = grounding_dino_from(tensors, PATH).config
    swin, bert = config.backbone_config, config.text_config
    assert (swin.embed_dim, swin.depths, swin.num_heads, swin.window_size) == (32, [2, 2, 6, 2], [1, 2, 4, 8], 7)
    assert (swin.image_size, list(swin.out_indices)) == (224, [2, 3, 4])
    assert (bert.hidden_size, bert.num_hidden_layers, bert.num_attention_heads, bert.vocab_size) == (64, 2, 1, 1030)
    assert (config.d_model, config.num_queries, config.encoder_layers, config.decoder_layers) == (64, 20, 2, 2)
    assert (config.encoder_n_points, config.decoder_n_points, config.num_feature_levels) == (4, 4, 4)


def test_the_model_is_in_eval_mode_and_whole(tensors: Tensors) -> None:
    model = grounding_dino_from(tensors, PATH)
    assert not any(module.training for module in model.modules())
    assert not any(parameter.is_meta for parameter in model.parameters())


def test_every_tensor_arrives_unchanged(tensors: Tensors, tmp_path: Path) -> None:
    # saved, as transformers 5 has names of its own in memory only
    grounding_dino_from(tensors, PATH).save_pretrained(tmp_path)
    arrived = sorted(map(fingerprint, load_file(tmp_path / "model.safetensors").values()))
    sent = []
    for name, tensor in tensors.items():
        if re.search(r"^transformer\.decoder\.bbox_embed|bbox_embed\.1|pooler|relative_position_index", name):
            continue
        sent += map(fingerprint, tensor.chunk(3) if re.search(r"in_proj_|\.qkv\.", name) else [tensor])
    assert set(sent) <= set(arrived)


def fingerprint(tensor: torch.Tensor) -> tuple[tuple[int, ...], float]:
    return tuple(tensor.shape), float((tensor.double().flatten() * torch.arange(1, tensor.numel() + 1)).sum())


@pytest.mark.parametrize("left_out", ["bbox_embed.", "transformer.decoder.bbox_embed.", "bbox_embed.1."])
def test_the_shared_box_head_needs_only_one_of_its_names(tensors: Tensors, left_out: str) -> None:
    expected = grounding_dino_from(tensors, PATH).state_dict()
    found = grounding_dino_from({n: t for n, t in tensors.items() if not n.startswith(left_out)}, PATH).state_dict()
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def test_a_box_head_that_differs_between_layers_is_refused(tensors: Tensors) -> None:
    name = "transformer.decoder.bbox_embed.1.layers.0.bias"
    tensors[name] = tensors[name] + 1e-3
    said = refusal(lambda: grounding_dino_from(tensors, PATH))
    assert said.startswith(f"official.pth: {name} differs from the box head's other names")


def test_leftovers_of_training_and_older_code_are_left_out(tensors: Tensors) -> None:
    leftovers = {"label_enc.weight": torch.rand(9, 64), "bert.embeddings.position_ids": torch.arange(64)[None]}
    grounding_dino_from(tensors | leftovers, PATH)


def test_an_unknown_tensor_is_named(tensors: Tensors) -> None:
    tensors["transformer.decoder.layers.0.extra.weight"] = torch.zeros(1)
    said = refusal(lambda: grounding_dino_from(tensors, PATH))
    assert "official.pth has 1 tensor (transformer.decoder.layers.0.extra.weight)" in said


@pytest.mark.parametrize("lost", ["transformer.level_embed", "bert.embeddings.word_embeddings.weight"])
def test_a_lost_tensor_that_tells_sizes_is_named(tensors: Tensors, lost: str) -> None:
    del tensors[lost]
    assert f"official.pth lacks {lost}" in refusal(lambda: grounding_dino_from(tensors, PATH))


def test_any_other_lost_tensor_is_named_by_its_new_name(tensors: Tensors) -> None:
    del tensors["transformer.decoder.layers.1.linear2.weight"]
    said = refusal(lambda: grounding_dino_from(tensors, PATH))
    assert "official.pth: missing 1 tensor (model.decoder.layers.1.fc2.weight)" in said


def test_a_tensor_of_another_shape_is_refused(tensors: Tensors) -> None:
    tensors["feat_map.weight"] = torch.zeros(64, 65)
    assert refusal(lambda: grounding_dino_from(tensors, PATH)).startswith("official.pth")


@pytest.mark.parametrize("name", ["official.pth", "official.safetensors"])
def test_a_small_official_file_loads_by_its_path_and_answers(all_tensors: Tensors, folder: Path, name: str) -> None:
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(all_tensors, path)
    else:
        torch.save({"model": {f"module.{key}": tensor for key, tensor in all_tensors.items()}}, path)
    detector = load_detector(str(path))
    assert isinstance(detector, Detector)
    tokens = tokenize_captions([build_caption(["cyst"])], detector.tokenizer, detector.max_tokens)
    with torch.no_grad():
        found = detector(torch.ones(1, 3, 96, 96), tokens).last
    assert found.logits.isfinite().all() and found.logits.shape == (1, 20, 4)


def test_lora_finds_all_its_modules_in_an_official_model(tensors: Tensors) -> None:
    adapted = add_lora(grounding_dino_from(tensors, PATH), LoraSettings(rank=2))
    assert sum(".lora_A." in name for name, _ in adapted.named_parameters()) == 2 * 5 + 2 * 8 + 1 + 2


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        ("feat_map", "model.text_projection"),
        ("transformer.encoder.layers.3.linear1", "model.encoder.layers.3.deformable_layer.fc1"),
        (
            "transformer.encoder.text_layers.2.self_attn.out_proj",
            "model.encoder.layers.2.text_enhancer_layer.self_attn.out_proj",
        ),
        (
            "transformer.decoder.layers.0.cross_attn.sampling_offsets",
            "model.decoder.layers.0.encoder_attn.sampling_offsets",
        ),
        ("transformer.decoder.layers.5.ca_text.out_proj", "model.decoder.layers.5.encoder_attn_text.out_proj"),
        ("bbox_embed.0.layers.2", "model.decoder.bbox_embed.0.layers.2"),
        ("transformer.decoder.bbox_embed.3.layers.2", "model.decoder.bbox_embed.0.layers.2"),
        ("transformer.decoder.layers.0.self_attn.in_proj", None),
        ("backbone.0.layers.0.blocks.0.attn.qkv", None),
        ("bert.pooler.dense", None),
        ("no.such.module", None),
    ],
)
def test_modules_have_names_in_both_models(official: str, ours: str | None) -> None:
    assert transformers_module(official) == ours


@pytest.mark.skipif(not KEY_MAP.is_file(), reason="needs the recorded key map that developers have")
def test_names_are_those_of_the_recorded_key_map() -> None:
    entries = json.loads(KEY_MAP.read_text())
    entries = entries.get("keys", entries)
    assert len(entries) == 938
    for name, entry in entries.items():
        module, _, kind = name.rpartition(".")
        if kind not in ("weight", "bias") or len(entry.get("to", ())) != 1:
            continue
        expected = re.sub(r"bbox_embed\.\d+", "bbox_embed.0", entry["to"][0])
        assert f"{transformers_module(module)}.{kind}" == expected


def test_the_tokenizer_is_taken_from_the_files_folder(folder: Path) -> None:
    found = official_tokenizer(folder / "official.pth")
    text = "benign lesion. cysts."
    assert found(text)["input_ids"] == small_tokenizer()(text)["input_ids"]


def test_the_tokenizer_is_taken_from_the_hubs_cache(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "cache" / "models--google-bert--bert-base-uncased"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (folder / "vocab.txt").rename(snapshot / "vocab.txt")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    assert official_tokenizer(folder / "official.pth")("cyst")["input_ids"] == small_tokenizer()("cyst")["input_ids"]


def test_a_missing_tokenizer_names_the_command_that_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    said = refusal(lambda: official_tokenizer(tmp_path / "official.pth"))
    assert "gdinousam download official-grounding-dino-swin-t" in said


def test_the_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    words = (folder / "vocab.txt").read_text().splitlines()
    (folder / "vocab.txt").write_text("\n".join(["[BOS]", *words]) + "\n")
    assert "holds another tokenizer than BERT's" in refusal(lambda: official_tokenizer(folder / "official.pth"))


def test_a_tokenizer_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    said = refusal(lambda: official_tokenizer(folder / "official.pth"))
    assert said.startswith(f"cannot read the tokenizer in {folder}")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_file_of_half_precision_makes_a_model_of_float32(tensors: Tensors, dtype: torch.dtype) -> None:
    halved = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    model = grounding_dino_from(halved, PATH)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(model.model.text_projection.weight, halved["feat_map.weight"].float())


@pytest.mark.parametrize(
    "name",
    [
        "transformer.level_embed",
        "transformer.encoder.layers.0.linear1.bias",
        "transformer.decoder.layers.0.ca_text.in_proj_weight",
        "bert.embeddings.word_embeddings.weight",
        "backbone.0.layers.0.blocks.0.attn.relative_position_bias_table",
    ],
)
@pytest.mark.parametrize(
    "change", [torch.sum, torch.flatten, lambda tensor: tensor[None], lambda tensor: tensor[:0]], ids=range(4)
)
def test_a_tensor_of_other_axes_is_refused_in_one_line(
    tensors: Tensors, name: str, change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    whole = tensors[name]
    tensors[name] = change(whole)
    if tensors[name].shape != whole.shape:  # a flat bias is the bias
        assert str(PATH) in refusal(lambda: grounding_dino_from(tensors, PATH))
