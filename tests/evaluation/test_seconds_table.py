"""Table 6 from measurements alone: medians by hand, the paper beside, only what is alike is ranked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.paper_numbers import OURS
from gdinousam.evaluation.reporting.table_files import as_plain
from gdinousam.evaluation.timing.measurement import Measurement, measurement_path, read_measurement, write_measurement
from gdinousam.evaluation.timing.table import FASTEST, read_measurements, seconds_table


def made_measurement(method: str = OURS, seconds: tuple[float, ...] = (0.1, 0.2, 0.4), **other: Any) -> Measurement:
    batches = [{"decode": 0.01, "detector": one / 2, "mask head": one / 4, "method": one} for one in seconds]
    values: dict[str, Any] = {
        "device": "a GPU",
        "precision": "float32",
        "detector_input": "800 x 800",
        "mask_head_side": 1024,
        "batch_size": 1,
        "num_images": 3,
        "num_warm_up": 3,
        "first_call": {"decode": 0.5, "detector": 2.0, "mask head": 1.0, "method": 3.0},
        "runs": tuple(batches),
        "peak_gpu_bytes": None,
        "data_sha256": "a",
        "config_sha256": "b",
        "gdinousam": "0.1.0",
        "libraries": {"torch": "2.14.1"},
    }
    return Measurement(method=method, **(values | other))


def cells(table, method: str) -> dict[str, str]:
    line = next(line for line in table.lines if line[0].text == method)
    return {column.title: cell.text for column, cell in zip(table.columns, line, strict=True)}


def test_a_line_holds_medians_the_first_call_and_the_paper_number() -> None:
    line = cells(seconds_table([made_measurement()]), OURS)
    assert (line["median s"], line["90th percentile s"], line["paper s"]) == ("0.200", "0.360", "0.33")
    assert (line["first call s"], line["detector s"], line["mask head s"]) == ("3.000", "0.100", "0.050")
    assert (line["n batches"], line["batch"], line["device"]) == ("3", "1", "a GPU")


def test_a_method_without_stages_or_paper_number_has_dashes() -> None:
    whole = made_measurement("mine", first_call={"decode": 0.5, "method": 1.0}, runs=({"decode": 0.1, "method": 1.0},))
    line = cells(seconds_table([whole]), "mine")
    assert (line["paper s"], line["detector s"], line["mask head s"]) == ("-", "-", "-")


def test_the_fastest_is_marked_among_equal_conditions_only() -> None:
    fast, slow = made_measurement("UniverSeg", (0.1,) * 6), made_measurement("SAMUS", (0.3,) * 6)
    alike = seconds_table([slow, fast])
    assert [(line[0].text, line[1].best) for line in alike.lines] == [("UniverSeg", True), ("SAMUS", False)]
    other = seconds_table([slow, made_measurement("UniverSeg", (0.1,) * 6, device="CPU")])
    assert not any(line[1].best for line in other.lines)
    assert any("cannot be compared" in remark for remark in other.remarks)
    assert not any(line[1].best for line in seconds_table([fast]).lines)


def test_a_median_that_is_lower_by_chance_is_not_the_fastest() -> None:
    one = made_measurement("UniverSeg", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7))
    other = made_measurement("SAMUS", (0.11, 0.21, 0.31, 0.41, 0.51, 0.61, 0.71))
    few = [made_measurement(name, (seconds,) * 5) for name, seconds in (("UniverSeg", 0.1), ("SAMUS", 0.3))]
    for measurements in ([one, other], few):
        table = seconds_table(measurements)
        assert not any(line[1].best for line in table.lines) and FASTEST in table.remarks


def test_other_weights_than_the_published_ones_are_named_and_stand_beside_no_number_of_the_paper() -> None:
    random = made_measurement("SAMUS", (0.1,) * 6, weights="random")
    table = seconds_table([random, made_measurement(weights="full")])
    line = cells(table, "SAMUS (random)")
    assert line["paper s"] == "-" and cells(table, OURS)["paper s"] == "0.33"
    assert "Weights are random: the numbers mean nothing." in as_plain(table)
    assert any("cannot be compared" in remark for remark in table.remarks)
    assert any(remark.endswith("so none stands beside SAMUS (random).") for remark in table.remarks)
    assert any(remark.endswith("not measured here: UniverSeg, BiomedParse, SAMUS, MedCLIP-SAM, MedCLIP-SAMv2.") for
               remark in table.remarks)  # fmt: skip
    alone = seconds_table([random, made_measurement("mine", (0.3,) * 6, weights="random")])
    assert "paper s" not in [column.title for column in alone.columns]
    assert not any("Titan" in remark for remark in alone.remarks)
    assert not any(line[1].best for line in alone.lines)


def test_what_the_paper_times_and_we_do_not_is_said() -> None:
    missing = (
        "In table 6 of the paper, but not measured here: UniverSeg, BiomedParse, SAMUS, MedCLIP-SAM, MedCLIP-SAMv2."
    )
    assert missing in seconds_table([made_measurement()]).remarks


def test_a_mask_head_that_had_nothing_to_do_is_said() -> None:
    runs = ({"decode": 0.1, "detector": 0.5, "mask head": 1e-6, "method": 0.5},)
    assert "nothing was found" in as_plain(seconds_table([made_measurement(runs=runs)]))
    assert "nothing was found" not in as_plain(seconds_table([made_measurement()]))


def test_a_measurement_of_an_earlier_version_is_of_unknown_weights(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    write_measurement(made_measurement(), path)
    content = json.loads(path.read_text())
    del content["weights"]
    path.write_text(json.dumps(content))
    assert read_measurement(path).weights == "unknown"


def test_the_file_calls_runs_batches_as_earlier_versions_did(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    write_measurement(made_measurement(seconds=(0.25,)), path)
    content = json.loads(path.read_text())
    assert content["batches"] == [{"decode": 0.01, "detector": 0.125, "mask head": 0.0625, "method": 0.25}]
    assert "runs" not in content


def test_a_measurement_is_read_back_to_the_last_digit(tmp_path: Path) -> None:
    measurement = made_measurement(seconds=(1 / 3, 2 / 3), peak_gpu_bytes=12345)
    path = measurement_path(tmp_path / "new", "a method/of mine")
    write_measurement(measurement, path)
    assert path.name == "a_method_of_mine.json"
    assert read_measurement(path) == measurement


@pytest.mark.parametrize("text", ["", '{"method": "x"}', "[]"])
def test_a_damaged_measurement_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=r"x.json: no measurement of this version, or cut off"):
        read_measurements(tmp_path)


@pytest.mark.parametrize("where", ["first_call", "batches"])
def test_a_measurement_without_the_seconds_of_the_method_is_named(tmp_path: Path, where: str) -> None:
    write_measurement(made_measurement(), tmp_path / "x.json")
    content = json.loads((tmp_path / "x.json").read_text())
    seconds = content[where]
    del (seconds if where == "first_call" else seconds[-1])["method"]
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"x.json: no measurement of this version, or cut off"):
        read_measurements(tmp_path)


def test_two_measurements_of_one_method_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_measurement(made_measurement(), tmp_path / f"{name}.json")
    with pytest.raises(InputError, match=r"one.json and .*two.json: two measurements of 'GroundingDINO-US-SAM'"):
        read_measurements(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no measurement in it"):
        read_measurements(tmp_path)
