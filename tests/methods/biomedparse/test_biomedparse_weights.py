"""Official files are read tensor by tensor, and anything else is refused by name."""

import re
from pathlib import Path

import pytest
import torch
from biomedparse_files import UNUSED_TEXT, Shapes, by_rule, official_shapes

from gdinousam.errors import InputError
from gdinousam.methods.biomedparse.config import SMALL, BiomedParseConfig
from gdinousam.methods.biomedparse.weights import RULES, biomedparse_from, load_biomedparse
from gdinousam.models.checkpoints.files import kind_of
from gdinousam.models.checkpoints.keys import new_names
from gdinousam.runtime import torch_seed

FILE = Path("biomedparse_v1.pt")
QUERIES = "sem_seg_head.predictor.query_feat.weight"


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    return official_shapes(SMALL)


def test_every_tensor_comes_to_its_place(shapes: Shapes) -> None:
    tensors = by_rule(shapes)
    own = biomedparse_from(tensors, FILE, SMALL).state_dict()
    targets = {name: new_names(name, RULES) for name in shapes}
    used = {name: target for name, (target,) in ((name, one) for name, one in targets.items() if one)}
    assert sorted(used.values()) == sorted(own)
    for name, target in used.items():
        # a linear layer there is a convolution of one pixel here
        assert torch.equal(own[target].flatten(), tensors[name].flatten()), name


def test_no_tensor_that_a_text_needs_is_passed_over(shapes: Shapes) -> None:
    unused = {name for name in shapes if not new_names(name, RULES)}
    spatial = ["pn_indicator.weight", "spatial_embed.weight", "spatial_featured.weight"]
    spatial += [f"mask_sptial_embed.{place}" for place in range(3)]
    expected = {f"sem_seg_head.predictor.{name}" for name in (*spatial, "lang_encoder.logit_scale")}
    assert unused == expected | {"dilation_kernel"}


def test_the_second_text_encoder_and_a_wrapper_change_nothing(shapes: Shapes) -> None:
    tensors = by_rule(shapes)
    wrapped = {f"model.{name}": tensor for name, tensor in (tensors | by_rule(UNUSED_TEXT)).items()}
    plain, other = (biomedparse_from(one, FILE, SMALL).state_dict() for one in (tensors, wrapped))
    assert all(torch.equal(other[name], tensor) for name, tensor in plain.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({QUERIES: None}, r"lacks 1 tensor (query_decoder.query_feat.weight)"),
        ({QUERIES: (9, 16)}, r"has of another shape 1 tensor (query_decoder.query_feat.weight)"),
        ({"backbone.layers.9.blocks.0.gamma_1": (8,)}, r"has unknown 1 tensor (backbone.stages.9.blocks.0.ls1.gamma)"),
        ({"sem_seg_head.predictor.extra": (8,)}, r"has 1 tensor (sem_seg_head.predictor.extra) that this architecture"),
    ],
)
def test_what_does_not_fit_is_named(shapes: Shapes, change: dict[str, tuple[int, ...] | None], message: str) -> None:
    changed = {name: shape for name, shape in (shapes | change).items() if shape is not None}
    with pytest.raises(InputError, match=rf"^{FILE} {re.escape(message)}"):
        biomedparse_from(by_rule(changed), FILE, SMALL)


def test_a_small_model_is_not_the_official_one(shapes: Shapes, tmp_path: Path) -> None:
    torch.save(by_rule(shapes), tmp_path / FILE)
    with pytest.raises(InputError, match=r"biomedparse_v1\.pt lacks 660 tensors"):
        load_biomedparse(str(tmp_path / FILE))


def test_files_of_other_models_are_refused_by_name(tmp_path: Path) -> None:
    torch.save({"enc_blocks.0.cross.cross_conv.weight": torch.zeros(1)}, tmp_path / "universeg.pt")
    with pytest.raises(InputError, match=r"holds a UniverSeg model; expected an official BiomedParse file"):
        load_biomedparse(str(tmp_path / "universeg.pt"))
    with pytest.raises(InputError, match=r"nowhere\.pt: no such weight file"):
        load_biomedparse("nowhere.pt")
    with pytest.raises(InputError, match=r"is read from its file; run hf download microsoft/BiomedParse"):
        load_biomedparse("microsoft/BiomedParse")


def test_files_of_biomedparse_are_known_by_name(shapes: Shapes) -> None:
    assert kind_of(shapes) == kind_of(f"model.{name}" for name in shapes) == "BiomedParse"


def test_random_weights_are_those_of_the_seed() -> None:
    first, second, other = (_random(seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], tensor) for name, tensor in second.items())
    assert not torch.equal(first["backbone.stem.proj.weight"], other["backbone.stem.proj.weight"])


def _random(seed: int) -> dict[str, torch.Tensor]:
    with torch_seed(seed):
        network = load_biomedparse("random-small")
    assert not network.training and not any(one.requires_grad for one in network.parameters())
    return network.state_dict()


@pytest.mark.parametrize("sizes", [{"image_size": 1000}, {"width": 48}, {"num_heads": 7}, {"depth": 3}])
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises((ValueError, TypeError)):
        BiomedParseConfig(**sizes)  # type: ignore[arg-type]
