"""Sentences for phrases, from the file that users edit."""

from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.methods.medclip_sam.sentences import Sentences, read_sentences

SHIPPED = Path(__file__).parents[2] / "configs" / "prompts" / "medclip_sentences.yaml"


def written(folder: Path, text: str) -> Path:
    path = folder / "sentences.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_phrase_without_a_sentence_gets_the_template(tmp_path: Path) -> None:
    assert read_sentences(None).of("Simple cyst.") == "An ultrasound image showing simple cyst."
    found = read_sentences(written(tmp_path, 'template: "see {phrase}"\nsentences: {cyst: A cyst.}'))
    assert found.of("nodule") == "see nodule" and found.of("cyst") == "A cyst."


@pytest.mark.parametrize("phrase", ["Breast  Tumor", "breast tumor.", "breast\u00a0tumor", "BREAST TUMOR"])
def test_spelling_does_not_matter(tmp_path: Path, phrase: str) -> None:
    path = written(tmp_path, "sentences:\n  Breast tumor: A tumor of the breast.\n")
    assert read_sentences(path).of(phrase) == "A tumor of the breast."


def test_a_sentence_is_given_as_it_is_written(tmp_path: Path) -> None:
    path = written(tmp_path, 'sentences:\n  "no": "A {phrase}; NOT 12."\n')
    assert read_sentences(path).of("no") == "A {phrase}; NOT 12."


def test_an_empty_file_is_the_template_alone(tmp_path: Path) -> None:
    assert read_sentences(written(tmp_path, "# nothing\n")) == Sentences()


def test_the_shipped_file_reads_and_has_a_sentence_for_every_phrase_of_the_paper() -> None:
    found = read_sentences(SHIPPED)
    for phrase in ("benign", "thyroid tumor", "kidney cortex", "left lower back muscle", "benign breast lesion"):
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
        read_sentences(written(tmp_path, text))
    assert str(tmp_path / "sentences.yaml") in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file of sentences"):
        read_sentences(tmp_path / "none.yaml")


@pytest.mark.parametrize("phrase", ["", " ", "..."])
def test_a_phrase_without_a_word_cannot_be_asked(phrase: str) -> None:
    with pytest.raises(InputError, match="has no letter or digit"):
        Sentences().of(phrase)
