"""Sentences for phrases, from the file that users edit."""

from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.methods.sentences import PLACE, Sentences, read_sentences

PROMPTS = Path(__file__).parents[2] / "configs" / "prompts"
TEMPLATE = "An ultrasound image showing {phrase}."


def written(folder: Path, text: str) -> Path:
    path = folder / "sentences.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_phrase_without_a_sentence_gets_the_template(tmp_path: Path) -> None:
    assert read_sentences(None, TEMPLATE).of("Simple cyst.") == "An ultrasound image showing simple cyst."
    found = read_sentences(written(tmp_path, 'template: "see {phrase}"\nsentences: {cyst: A cyst.}'), PLACE)
    assert found.of("nodule") == "see nodule" and found.of("cyst") == "A cyst."


@pytest.mark.parametrize("phrase", ["Breast  Tumor", "breast tumor.", "breast\u00a0tumor", "BREAST TUMOR"])
def test_spelling_does_not_matter(tmp_path: Path, phrase: str) -> None:
    path = written(tmp_path, "sentences:\n  Breast tumor: A tumor of the breast.\n")
    assert read_sentences(path, PLACE).of(phrase) == "A tumor of the breast."


def test_a_sentence_is_given_as_it_is_written(tmp_path: Path) -> None:
    path = written(tmp_path, 'sentences:\n  "no": "A {phrase}; NOT 12."\n')
    assert read_sentences(path, PLACE).of("no") == "A {phrase}; NOT 12."


def test_an_empty_file_is_the_template_alone(tmp_path: Path) -> None:
    assert read_sentences(written(tmp_path, "# nothing\n"), TEMPLATE) == Sentences(TEMPLATE)


@pytest.mark.parametrize("method", ["medclip", "biomedparse"])
def test_the_shipped_files_have_a_sentence_for_every_phrase_of_our_csv(method: str) -> None:
    found = read_sentences(PROMPTS / f"{method}_sentences.yaml", "none of {phrase}")
    assert not found.template.startswith("none of")
    for phrase in ("benign breast lesion", "thyroid gland", "kidney cortex", "prostate", "lumbar multifidus muscle"):
        assert found.of(phrase) != found.template.replace("{phrase}", phrase)


def test_phrases_of_the_paper_s_csv_have_sentences_for_medclip() -> None:
    found = read_sentences(PROMPTS / "medclip_sentences.yaml", TEMPLATE)
    for phrase in ("benign", "thyroid tumor", "left lower back muscle"):
        assert found.of(phrase) != found.template.replace("{phrase}", phrase)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("template: no place", r"template = 'no place' has no \{phrase\}"),
        ("template: 3", r"template = 3 has no \{phrase\}"),
        ("sentence: {cyst: a}", "must hold template and sentences and nothing else"),
        ("- cyst", "must hold template and sentences"),
        ("sentences: {cyst: A., 'Cyst ': B.}", "'cyst' and 'Cyst ' are one phrase; keep one sentence"),
        ("sentences: {cyst: ' '}", "the sentence for 'cyst' is empty"),
        ("sentences: {cyst: 3}", "sentences: cyst: .*; write a sentence for each phrase"),
        ("sentences: [cyst]", "write a sentence for each phrase"),
        ("sentences: {cyst", "is not readable as YAML"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_sentences(written(tmp_path, text), PLACE)
    assert str(tmp_path / "sentences.yaml") in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file of sentences"):
        read_sentences(tmp_path / "none.yaml", PLACE)


@pytest.mark.parametrize("phrase", ["", " ", "..."])
def test_a_phrase_without_a_word_cannot_be_asked(phrase: str) -> None:
    with pytest.raises(InputError, match="has no letter or digit"):
        Sentences(PLACE).of(phrase)
