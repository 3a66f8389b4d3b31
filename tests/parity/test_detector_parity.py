"""Our detector computes what the official Grounding DINO computes, live and from recorded outputs, at full size."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers.models.grounding_dino.modeling_grounding_dino import GroundingDinoDecoder

from benchmarks.parity.command import TABLE_BEGIN, TABLE_END, parity_command, put_table
from benchmarks.parity.detector import (
    CASES,
    SWIN_B_CASES,
    TOLERANCE,
    DetectorCase,
    compare,
    detector_from_official,
    official_results,
)
from benchmarks.parity.official_grounding_dino import OfficialOutput, official_version, write_text_encoder
from benchmarks.parity.recorded import Recording, load_recording
from benchmarks.parity.rows import ParityRow, largest_difference
from benchmarks.parity.topk import ReplayTopk
from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.detector.detector import Detector

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "tests" / "parity" / "recorded" / "grounding_dino_swin_t.npz"

try:
    official_version()
except InputError as error:
    NO_OFFICIAL_CODE = str(error)
else:
    NO_OFFICIAL_CODE = ""

live = pytest.mark.skipif(bool(NO_OFFICIAL_CODE), reason=NO_OFFICIAL_CODE)
by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
# Where the official code runs, one recorded case is enough: the recording is compared with the code itself.
recorded_by_name = pytest.mark.parametrize(
    "case", CASES if NO_OFFICIAL_CODE else CASES[-1:], ids=lambda case: case.name
)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load_recording(RECORDING)


@pytest.fixture(scope="module")
def text_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a BERT of full size, which the official code starts from, and of the vocabulary."""
    folder = tmp_path_factory.mktemp("text_encoder")
    write_text_encoder(folder)
    return folder


@pytest.fixture(scope="module")
def detector(recording: Recording, text_encoder: Path) -> Detector:
    """Ours, Swin-T, from an official file."""
    return detector_from_official(recording.state_dict(), text_encoder)


@pytest.fixture(scope="module")
def swin_t(recording: Recording, text_encoder: Path) -> tuple[Tensors, dict[str, OfficialOutput]]:
    """The official Swin-T: its state dict and its outputs, live.

    It is made to take the proposals of the recording, so that ties that fall out another way here do not count.
    """
    choices = []
    for case in CASES:
        together = len(set(case.phrases)) == 1
        choices += [recording.outputs[case.name].choices] if together else recording.outputs[case.name].choices.split(1)
    with ReplayTopk(choices) as replay:
        results = official_results("Swin-T", CASES, recording.phantom, text_encoder)
    assert replay.largest_difference <= TOLERANCE
    return results


@pytest.fixture(scope="module")
def swin_b(recording: Recording, text_encoder: Path) -> Iterator[tuple[Tensors, dict[str, OfficialOutput], Detector]]:
    """The official Swin-B and ours."""
    state_dict, outputs = official_results("Swin-B", SWIN_B_CASES, recording.phantom, text_encoder)
    yield state_dict, outputs, detector_from_official(state_dict, text_encoder)


def too_large(rows: Iterator[ParityRow]) -> list[ParityRow]:
    compared = list(rows)
    assert len(compared) == 3
    return [row for row in compared if not row.passes]


def against_recording(case: DetectorCase, recording: Recording, detector: Detector) -> list[ParityRow]:
    return too_large(compare(case, recording.phantom, recording.outputs[case.name], detector, "ours", "recorded"))


@pytest.mark.slow
@recorded_by_name
def test_logits_and_boxes_are_those_that_were_recorded(
    recording: Recording, detector: Detector, case: DetectorCase
) -> None:
    assert against_recording(case, recording, detector) == []


@live
@pytest.mark.slow
@by_name
def test_the_recording_is_what_the_official_code_says_today(
    recording: Recording, swin_t: tuple[Tensors, dict[str, OfficialOutput]], case: DetectorCase
) -> None:
    today, recorded = swin_t[1][case.name], recording.outputs[case.name]
    step = today.logits.shape[1] // recorded.logits.shape[1]
    assert recorded.logits.shape == today.logits[:, ::step].shape
    # other processors add in another order: on one machine both are equal
    assert largest_difference(today.logits[:, ::step], recorded.logits) <= TOLERANCE / 2
    assert largest_difference(today.boxes_cxcywh_norm[:, ::step], recorded.boxes_cxcywh_norm) <= TOLERANCE / 10


@live
@pytest.mark.slow
@by_name
def test_logits_and_boxes_of_all_queries_are_those_of_the_official_code(
    recording: Recording,
    swin_t: tuple[Tensors, dict[str, OfficialOutput]],
    detector: Detector,
    case: DetectorCase,
) -> None:
    rows = compare(case, recording.phantom, swin_t[1][case.name], detector, "ours", "live")
    assert too_large(rows) == []


@live
@pytest.mark.slow
def test_the_recorded_weights_are_those_of_the_official_model(
    recording: Recording, swin_t: tuple[Tensors, dict[str, OfficialOutput]]
) -> None:
    expected, found = swin_t[0], recording.state_dict()
    assert found.keys() == expected.keys() and len(found) == 938
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


@live
@pytest.mark.slow
def test_swin_b_computes_what_the_official_code_does(
    recording: Recording, swin_b: tuple[Tensors, dict[str, OfficialOutput], Detector]
) -> None:
    _, outputs, detector = swin_b
    config = detector.grounding_dino.config.backbone_config
    assert (config.embed_dim, config.depths, config.window_size) == (128, [2, 2, 18, 2], 12)
    for case in SWIN_B_CASES:
        assert too_large(compare(case, recording.phantom, outputs[case.name], detector, "Swin-B", "live")) == []


@live
@pytest.mark.slow
def test_every_tensor_of_swin_b_arrives_unchanged(
    swin_b: tuple[Tensors, dict[str, OfficialOutput], Detector],
) -> None:
    official, _, detector = swin_b
    sent = {
        fingerprint(part)
        for name, tensor in official.items()
        if "pooler" not in name
        for part in (tensor.chunk(3) if re.search(r"in_proj_|\.qkv\.", name) else [tensor])
    }
    assert {fingerprint(tensor) for tensor in detector.grounding_dino.state_dict().values()} == sent


def fingerprint(tensor: torch.Tensor) -> tuple[tuple[int, ...], float, float]:
    flat = tensor.flatten().double()
    return tuple(tensor.shape), float(flat.sum()), float(flat[::7].sum())


@pytest.mark.slow
def test_text_positions_cut_to_integers_would_be_seen(
    recording: Recording, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what transformers 5.9 to 5.22 do
    for layer in detector.grounding_dino.model.encoder.layers:
        embed = layer.get_text_position_embeddings
        monkeypatch.setattr(layer, "get_text_position_embeddings", lambda *given, embed=embed: embed(*given).trunc())
    assert against_recording(CASES[0], recording, detector)


@pytest.mark.slow
def test_boxes_refined_as_transformers_does_would_be_seen(
    recording: Recording, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector.grounding_dino.model.decoder, "__class__", GroundingDinoDecoder)
    assert against_recording(CASES[0], recording, detector)


def test_a_recording_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity_command(["--recorded", str(tmp_path / "none.npz")]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("detector cannot be compared: ") and "none.npz" in said and "\n" not in said


@pytest.mark.skipif(not NO_OFFICIAL_CODE, reason="the official code is there")
def test_a_missing_official_package_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert parity_command(["--part", "detector"]) == 2
    assert capsys.readouterr().err.strip() == f"detector cannot be compared: {NO_OFFICIAL_CODE}"


def test_a_table_goes_to_its_place_in_a_page_and_else_makes_a_file(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{TABLE_BEGIN}\nold\n{TABLE_END}\nafter\n")
    for _ in range(2):
        put_table("new", page)
        assert page.read_text() == f"before\n{TABLE_BEGIN}\nnew\n{TABLE_END}\nafter\n"
    put_table("new", tmp_path / "table.md")
    assert (tmp_path / "table.md").read_text() == "new\n"


def test_the_page_shows_every_case_of_the_detector() -> None:
    table = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8").split(TABLE_BEGIN)[1].split(TABLE_END)[0]
    shown = {tuple(cell.strip() for cell in line.split("|")[1:3]) for line in table.splitlines() if "|" in line}
    assert {("Grounding DINO Swin-T", str(case)) for case in CASES} <= shown
    assert {("Grounding DINO Swin-B", str(case)) for case in SWIN_B_CASES} <= shown
