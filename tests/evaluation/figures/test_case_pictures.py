"""The pictures of a case are those that were scored, or there is an error."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from figure_results import exact, results_of, shifted, silent, write_data, write_results

from gdinousam.errors import InputError
from gdinousam.evaluation.figures.case_pictures import CasePictures
from gdinousam.evaluation.scoring.results import Results, read_results


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", 3, phrases=("cyst", "liver"), absent=("stone",))


@pytest.fixture
def results(tmp_path: Path, data: Path) -> Results:
    return results_of(tmp_path / "ours", data, shifted)


def test_masks_are_those_that_were_scored(tmp_path: Path, data: Path, results: Results) -> None:
    other = results_of(tmp_path / "exact", data, exact, "exact")
    pictures = CasePictures([results, other])
    row = next(row for row in results.rows if row.image_name == "im0002.png" and row.phrase == "liver")
    truth = pictures.truth(row)
    assert truth.shape == pictures.image(row).shape[:2] == (40, 60)
    assert truth[18:30, 7:19].all() and truth.sum() == 144
    assert (pictures.prediction("ours", row) == np.roll(truth, 2, axis=1)).all()
    assert (pictures.prediction("exact", row) == truth).all()


def test_an_absent_phrase_has_no_truth_and_may_have_a_false_alarm(results: Results) -> None:
    pictures = CasePictures([results])
    row = next(row for row in results.rows if row.phrase == "stone" and row.protocol == "strict")
    assert not pictures.truth(row).any() and pictures.prediction("ours", row).sum() == 25


def test_masks_are_found_where_further_phrases_were_asked(tmp_path: Path) -> None:
    data = write_data(tmp_path / "one", 3)
    plain = results_of(tmp_path / "plain", data, exact, "plain")
    asked = read_results(write_results(tmp_path / "asked", data, shifted, "asked", further=("stone",)))
    assert (plain.folder / "masks" / "im0001.png").is_file()
    assert not (asked.folder / "masks" / "im0001.png").exists()
    pictures = CasePictures([plain, asked])
    for row in asked.rows:
        if row.protocol == "strict":
            assert pictures.prediction("asked", row).sum() == row.predicted_pixels > 0
            if row.phrase == "cyst":
                assert (pictures.prediction("plain", row) == pictures.truth(row)).all()


def test_where_nothing_was_found_there_is_an_empty_mask(tmp_path: Path, data: Path) -> None:
    results = results_of(tmp_path / "silent", data, silent)
    assert not CasePictures([results]).prediction("ours", results.rows[0]).any()


def test_results_without_masks_say_how_to_get_them(tmp_path: Path, data: Path) -> None:
    results = read_results(write_results(tmp_path / "bare", data, masks=False))
    with pytest.raises(InputError, match=r"evaluation\.save_masks=true"):
        CasePictures([results])


def test_a_missing_mask_says_how_to_get_it(results: Results) -> None:
    pictures = CasePictures([results])
    (results.folder / "masks" / "im0001.cyst.png").unlink()
    row = next(row for row in results.rows if row.image_name == "im0001.png" and row.phrase == "cyst")
    with pytest.raises(InputError, match=r"im0001\.cyst\.png: no such prediction; .*evaluation\.save_masks=true"):
        pictures.prediction("ours", row)


@pytest.mark.parametrize(("size_hw", "said"), [((40, 60), "scored; evaluate again"), ((9, 9), "another size")])
def test_a_mask_that_was_not_scored_is_an_error(results: Results, size_hw: tuple[int, int], said: str) -> None:
    cv2.imwrite(str(results.folder / "masks" / "im0001.cyst.png"), np.full(size_hw, 255, np.uint8))
    row = next(row for row in results.rows if row.image_name == "im0001.png" and row.phrase == "cyst")
    with pytest.raises(InputError, match=said):
        CasePictures([results]).prediction("ours", row)


def test_data_that_moved_is_found_where_the_user_says(data: Path, results: Results, tmp_path: Path) -> None:
    moved = data.rename(tmp_path / "moved")
    with pytest.raises(InputError, match="--data"):
        CasePictures([results])
    assert CasePictures([results], moved).truth(results.rows[0]).any()


def test_data_that_changed_since_is_an_error(data: Path, results: Results) -> None:
    with (data / "test.CSV").open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match="has changed since"):
        CasePictures([results])


@pytest.mark.parametrize("text", [None, "", "data: 3", "data: {test_ann: x}", "a: b: c"])
def test_a_config_that_names_no_data_is_an_error(results: Results, text: str | None) -> None:
    path = results.folder / "config.yaml"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"config\.yaml"):
        CasePictures([results])
