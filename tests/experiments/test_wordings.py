"""A study of wordings that no training was shown, on phantoms."""

import csv
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.prompt_study import prompt_study_command
from gdinousam.commands.report import report_command
from gdinousam.errors import InputError
from gdinousam.experiments.studies.prompts_file import held_out_wordings
from gdinousam.experiments.studies.wording_table import read_wordings
from gdinousam.phrase_book import Entry, PhraseBook, read_phrase_book


def test_the_own_words_come_first_and_no_training_wording_is_asked() -> None:
    book = read_phrase_book()
    cyst, unknown = held_out_wordings(book, ["cyst", "spleen"], "the book")
    assert cyst.prompts[0] == "cyst" and set(cyst.prompts[1:]) == set(book.held_out_wordings("cyst"))
    assert not set(cyst.prompts) & set(book.training_wordings("cyst"))
    assert unknown.prompts[0] == "spleen" and len(unknown.prompts) > 1  # sentences are left


def test_sentences_that_read_alike_are_refused() -> None:
    book = PhraseBook(
        [Entry("cyst", "breast")], {}, held_out_frames=("where is the {phrase}", "where is the {phrase}?")
    )
    with pytest.raises(InputError, match=r"the book: cyst: 'where is the cyst\??' stands there twice"):
        held_out_wordings(book, ["cyst"], "the book")


@pytest.fixture(scope="module")
def study(study_data: dict[str, Any], small_detector: Path, small_mask_head: Path, tmp_path_factory: Any) -> Path:
    """The config of a study of two held-out wordings, which has run into ``output`` beside it."""
    folder: Path = tmp_path_factory.mktemp("wordings")
    book = {
        "frames": {"held_out": ["show me the {phrase}"]},
        "phrases": {"bright lesion": {"organ": "breast"}, "cyst": {"organ": "breast"}},
    }
    (folder / "book.yaml").write_text(yaml.safe_dump(book), encoding="utf-8")
    tree = {
        "prompts": "held-out wordings",
        "phrase_book": "book.yaml",
        "data": study_data | {"max_images": 2},
        "resize": {"size": 64},
        "model": {"detector": str(small_detector), "mask_head": str(small_mask_head)},
        "prediction": {"box_threshold": 0.0, "max_detections": 1},
        "evaluation": {"output_dir": "output", "num_pictures": 0, "save_masks": False},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert run(prompt_study_command, ["--config", str(folder / "study.yaml")]) == 0
    return folder / "study.yaml"


def test_a_study_asks_every_phrase_of_the_data_and_writes_both_tables(study: Path) -> None:
    output = study.parent / "output"
    with (output / "wordings_strict_wordings.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    phrases = list(dict.fromkeys(line["phrase"] for line in lines))
    assert [(line["phrase"], line["asked"]) for line in lines] == [
        pair for phrase in phrases for pair in ((phrase, phrase), (phrase, f"show me the {phrase}"))
    ]
    assert (output / "wordings_strict_spread.csv").is_file() and not list(output.glob("table5*"))
    wordings = read_wordings(output)
    assert {wording.phrase for wording in wordings} >= set(phrases)
    assert [wording.prompt == wording.phrase for wording in wordings] == [True, False] * (len(wordings) // 2)


def test_the_report_shows_the_spread(study: Path, tmp_path: Path) -> None:
    output = study.parent / "output"
    results = next(path.parent for path in output.glob("*/*/rows.csv"))
    arguments = [str(results), "--no-gallery", "--wordings", str(output), "--out", str(tmp_path / "a.html")]
    assert run(report_command, arguments) == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert 'id="wordings"' in page and "Spread over wordings" in page and "show me the" in page
    assert re.search(r"Method: [^:<]+\.", page)  # which need not be the one of the results


def test_the_report_reads_the_wordings_of_the_table_alone(study: Path, tmp_path: Path) -> None:
    """A study that went on with another phrase book keeps the folders of wordings that it asks no more."""
    output = tmp_path / "output"
    shutil.copytree(study.parent / "output", output)
    before = read_wordings(output)
    asked = next(output.glob("*/show_me_the_*"))
    stale = asked.with_name("look_for_it") / "config.yaml"
    shutil.copytree(asked, stale.parent)
    stale.write_text(stale.read_text(encoding="utf-8").replace("show me the", "look for the"), encoding="utf-8")
    assert list(read_wordings(output)) == list(before)


def test_a_folder_without_a_study_or_with_half_of_one_is_refused(study: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    shutil.copytree(study.parent / "output", output)
    table = output / "wordings_strict_wordings.csv"
    for content in (table.read_text(encoding="utf-8").splitlines()[0], "a,b\n1,2\n", None):
        table.unlink() if content is None else table.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=r"no wordings in wordings_strict_wordings\.csv; give the folder of a fin"):
            read_wordings(output)


def test_a_study_of_wordings_asks_for_no_absent_phrases(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wish = "evaluation.absent_phrases=other organs"
    assert run(prompt_study_command, ["--config", str(study), "--set", wish, "--overwrite"]) == BAD_INPUT
    assert "leave evaluation.absent_phrases out" in capsys.readouterr().err
