"""Results folders read back, and those that are not whole refused."""

import json
from pathlib import Path

import pytest
from coloured_images import ByColor, LeftHalf, write_mixed

from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.origin import about_method, complete_origin, require_same_origin, write_origin
from gdinousam.evaluation.scoring.results import read_results
from gdinousam.evaluation.scoring.rows import read_rows
from gdinousam.evaluation.scoring.runner import evaluate

CONFIG = "data: {batch_size: 4, test_dir: images}\nprediction: {box_threshold: 0.1}\nevaluation: {method: Halves}\n"
ABOUT = about_method("Halves", frozenset({"text", "box"}), ("numpy", "monai"), "cpu", "float32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A results folder as test.py leaves it."""
    records = write_mixed(tmp_path)
    (tmp_path / "test.CSV").write_text("rows\n", encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    write_origin(out, CONFIG, fingerprint(records, tmp_path / "test.CSV"), ABOUT)
    complete_origin(out, evaluate(LeftHalf(), records, out, num_pictures=0))
    return out


def problem(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_results(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_reads_back_with_its_rows_and_where_they_come_from(folder: Path) -> None:
    results = read_results(folder)
    assert (results.method, results.folder, results.needs) == ("Halves", folder, ("box", "text"))
    assert results.rows == read_rows(folder / "rows.csv") and len(results.rows) == 22
    assert results.num_images == 7
    assert len(results.data_sha256) == len(results.config_sha256) == 64
    assert results.device == "cpu" and set(results.libraries) == {"numpy", "monai"}


def test_the_total_time_is_that_of_the_strict_rows(folder: Path) -> None:
    results = read_results(folder)
    strict = [row.seconds for row in results.rows if row.protocol == "strict"]
    assert results.seconds_total == pytest.approx(sum(strict)) and all(one > 0 for one in strict)


def test_rows_cut_off_between_two_lines_are_noticed(folder: Path) -> None:
    lines = (folder / "rows.csv").read_bytes().splitlines(keepends=True)
    (folder / "rows.csv").write_bytes(b"".join(lines[:-1]))
    assert "21 rows, but method.json says 22; the file is cut off" in problem(folder)


def test_an_evaluation_that_did_not_finish_is_no_result(folder: Path) -> None:
    (folder / "rows.csv").rename(folder / "rows.csv.part")
    assert "did not finish; go on with it by test.py --resume" in problem(folder)


def test_other_folders_are_refused(tmp_path: Path, folder: Path) -> None:
    assert "no such folder" in problem(tmp_path / "none")
    assert "rows.csv: no such file" in problem(tmp_path)
    (folder / "method.json").unlink()
    assert "method.json: no such file" in problem(folder)


@pytest.mark.parametrize("name", ["method.json", "data.json"])
@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_damaged_notes_are_refused_by_name(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    assert name in problem(folder)


def test_a_run_is_gone_on_with_whatever_its_batch_size(folder: Path) -> None:
    data_print = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    require_same_origin(folder, CONFIG.replace("4", "1"), data_print, ABOUT)


@pytest.mark.parametrize(
    ("config", "data", "about", "named"),
    [
        ({"0.1": "0.2"}, {}, {}, "prediction.box_threshold in config.yaml"),
        ({"box": "text"}, {}, {}, "prediction.text_threshold in config.yaml, prediction.box_threshold in config.yaml"),
        ({}, {"csv_sha256": "0"}, {}, "csv_sha256 in data.json"),
        ({}, {}, {"device": "cuda"}, "device in method.json"),
        ({}, {}, {"libraries": {"numpy": "0"}}, "libraries in method.json"),
    ],
)
def test_a_run_is_not_gone_on_with_under_other_conditions(
    folder: Path, config: dict[str, str], data: dict[str, str], about: dict[str, object], named: str
) -> None:
    data_print = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    text = CONFIG
    for old, new in config.items():
        text = text.replace(old, new)
    with pytest.raises(InputError) as caught:
        require_same_origin(folder, text, data_print | data, ABOUT | about)
    assert f"({named})" in str(caught.value)


def test_without_a_run_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no evaluation to go on with"):
        require_same_origin(tmp_path / "none", CONFIG, {}, ABOUT)


def test_methods_are_told_apart_by_their_needs() -> None:
    assert about_method("One", ByColor.needs, (), "cpu", "float32")["needs"] == ["text"]
