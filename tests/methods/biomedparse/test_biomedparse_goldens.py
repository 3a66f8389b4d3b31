"""BiomedParse of full size answers as the official code does, with the weights that its outputs were recorded with."""

import json
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from biomedparse_files import GOLDENS, by_rule, needs_goldens, official_shapes

from benchmarks.parity.weights import rule_values
from gdinousam.methods.biomedparse.config import BiomedParseConfig
from gdinousam.methods.biomedparse.network import BiomedParse, EncodedImage, Found
from gdinousam.methods.biomedparse.segmenter import normalized
from gdinousam.methods.biomedparse.text import EmbeddedTexts
from gdinousam.methods.biomedparse.weights import load_biomedparse

pytestmark = needs_goldens

TOLERANCE = 1e-5  # of features, whose deviation is about 1
MASK_TOLERANCE = 1e-4  # of mask logits, whose deviation is about 4
PROBABILITY_TOLERANCE = 1e-5
LOGIT_SCALE = "sem_seg_head.predictor.lang_encoder.logit_scale"
CASES = ["one", "two"]  # one prompt, and two in one call, which then share one sequence of tokens
Recorded = dict[str, npt.NDArray[np.generic]]


def read_shapes() -> dict[str, tuple[int, ...]]:
    keys = json.loads((GOLDENS / "state_dict_keys.json").read_text("utf-8"))["keys"]
    return {key: tuple(shape) for key, (shape, _) in keys.items()}


def difference(found: torch.Tensor, expected: npt.NDArray[np.generic]) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found.numpy() - expected).max())


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    with np.load(GOLDENS / "forward_256.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module", autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> BiomedParse:
    """Read from a file with every tensor that the official code has but zeros for the unused text encoder's."""
    path = tmp_path_factory.mktemp("biomedparse") / "biomedparse_v1.pt"
    used = official_shapes(BiomedParseConfig())
    unused = {name: torch.zeros(1) for name in read_shapes() if name not in used}
    torch.save(by_rule(used) | unused, path)
    network = load_biomedparse(str(path))
    path.unlink()  # more than a gigabyte, and pytest keeps the folders of several runs
    return network


@pytest.fixture(scope="module")
def maps(network: BiomedParse, recorded: Recorded) -> list[torch.Tensor]:
    return network.backbone(normalized(torch.from_numpy(recorded["image_u8"]).permute(2, 0, 1).float())[None])


@pytest.fixture(scope="module")
def image(network: BiomedParse, maps: list[torch.Tensor]) -> EncodedImage:
    return EncodedImage(*network.pixel_decoder(maps))


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def texts(network: BiomedParse, recorded: Recorded, case: str) -> EmbeddedTexts:
    """As the text encoder gives them, each by itself."""
    lengths = recorded[f"{case}_attention_mask"].sum(axis=1)
    return network.text_encoder(
        [ids[:length].tolist() for ids, length in zip(recorded[f"{case}_input_ids"], lengths, strict=True)]
    )


@pytest.fixture(scope="module")
def found(network: BiomedParse, image: EncodedImage, texts: EmbeddedTexts) -> Found:
    """What is found where all texts make up one sequence of tokens, as in the official call, with each text's class."""
    tokens = texts.tokens[texts.is_token][None]
    num_texts = len(texts.classes)
    repeated = tokens.expand(num_texts, -1, -1)
    return network.find(image, EmbeddedTexts(repeated, torch.ones(repeated.shape[:2], dtype=torch.bool), texts.classes))


def test_the_official_file_has_the_names_and_shapes_that_other_tests_make() -> None:
    recorded = {name: shape for name, shape in read_shapes().items() if ".biomed_encoder." not in name}
    assert official_shapes(BiomedParseConfig()) == recorded


@pytest.mark.slow
def test_the_backbone_gives_what_was_recorded(maps: list[torch.Tensor], recorded: Recorded) -> None:
    for stage, features in enumerate(maps):
        name = f"backbone_res{stage + 2}"
        assert difference(features[0, ::16, ::4, ::4], recorded[f"{name}_probe"]) < TOLERANCE, name
        stats = torch.stack([features.double().mean(), features.double().std(correction=0)])
        assert difference(stats, recorded[f"{name}_stats"]) < TOLERANCE, name


@pytest.mark.slow
def test_the_maps_that_queries_look_at_are_as_recorded(image: EncodedImage, recorded: Recorded) -> None:
    for place, level in enumerate(image.levels):
        assert difference(level[0, ::16, ::2, ::2], recorded[f"multi_scale_{place}_probe"]) < TOLERANCE, place
    assert difference(image.pixels[0, ::16, ::4, ::4], recorded["mask_features_probe"]) < TOLERANCE


@pytest.mark.slow
def test_texts_are_embedded_as_recorded(texts: EmbeddedTexts, recorded: Recorded, case: str) -> None:
    assert difference(texts.classes, recorded[f"{case}_class_emb"]) < TOLERANCE
    tokens = texts.tokens[texts.is_token][:, None]
    assert difference(tokens, recorded[f"{case}_grounding_tokens"]) < TOLERANCE


@pytest.mark.slow
def test_the_best_query_of_each_text_is_the_recorded_one(found: Found, recorded: Recorded, case: str) -> None:
    assert found.similarities.argmax(dim=1).tolist() == recorded[f"{case}_matched_query"].tolist()
    scale = np.exp(rule_values(LOGIT_SCALE, ()))  # recorded similarities are multiplied by it
    assert difference(found.similarities.T * scale, recorded[f"{case}_similarity"]) < TOLERANCE


@pytest.mark.slow
def test_masks_of_all_queries_are_as_recorded(found: Found, image: EncodedImage, recorded: Recorded, case: str) -> None:
    logits = torch.einsum("qc,chw->qhw", found.kernels[0], image.pixels[0])
    assert difference(logits.mean(dim=(1, 2)), recorded[f"{case}_all_mask_mean"]) < MASK_TOLERANCE


@pytest.mark.slow
def test_the_mask_of_each_text_is_the_recorded_one(
    network: BiomedParse, found: Found, image: EncodedImage, recorded: Recorded, case: str
) -> None:
    logits = network.matched_logits(image, found)
    assert difference(logits, recorded[f"{case}_matched_mask_logits"]) < MASK_TOLERANCE
    expected = recorded[f"{case}_prob_200x230"]
    probabilities = F.interpolate(logits[None], (200, 230), mode="bilinear")[0].sigmoid()
    assert difference(probabilities, expected) < PROBABILITY_TOLERANCE


@pytest.mark.slow
def test_captions_are_as_recorded(
    network: BiomedParse, image: EncodedImage, texts: EmbeddedTexts, recorded: Recorded, case: str
) -> None:
    tokens = texts.tokens[texts.is_token][None]
    is_token = torch.ones(tokens.shape[:2], dtype=torch.bool)
    _, captions = network.query_decoder(image.levels, image.pixels, tokens, is_token)
    assert difference(captions[0, :, ::8], recorded[f"{case}_pred_captions_probe"]) < TOLERANCE
