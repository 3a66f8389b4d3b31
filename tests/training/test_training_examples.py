"""The captions of a run: absent phrases of all its parts, other words in training only, and what is refused or told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gdinousam.data.dataset import Example, JoinedExamples
from gdinousam.data.sources.phantoms import LESION_KINDS, phrases_of
from gdinousam.errors import InputError
from gdinousam.experiments.config import BaselineTrainConfig, TrainConfig, load_config
from gdinousam.phrase_book import read_phrase_book
from gdinousam.preprocessing import ResizeSettings
from gdinousam.training.examples import training_examples, training_wordings, validation_examples
from gdinousam.training.images import describe_images, read_training_images

RESIZE = ResizeSettings(size=64)
OF_IMAGES = {kind.phrase for kind in LESION_KINDS}
PROSTATE = {"families": ["prostate"], "num_train": 12, "num_val": 6}
ABSENT = {"beside": 1, "alone": 0.25}


def config_of(folder: Path, phantom_data: Path, phrase_book: Path | None = None, **data: object) -> TrainConfig:
    """A run on the phantoms of the breast, of settings of ``data``."""
    paths = {f"{split}_dir": str(phantom_data / split) for split in ("train", "val")}
    paths |= {f"{split}_ann": str(phantom_data / f"{split}.CSV") for split in ("train", "val")}
    tree = {
        "data": paths | data,
        "model": {"detector": "random-small"},
        "training": {"tune": "full", "output_dir": "run"},
        "phrase_book": None if phrase_book is None else str(phrase_book),
    }
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_config(TrainConfig, path)


def examples_in(joined: JoinedExamples | None) -> list[Example]:
    assert joined is not None
    return [joined[index] for index in range(len(joined))]


def own_book(folder: Path, *phrases: str) -> Path:
    """A phrase book in which every phrase is an organ of its own."""
    path = folder / "book.yaml"
    tree = {"phrases": {phrase: {"organ": phrase} for phrase in phrases}, "frames": {"training": ["find the {phrase}"]}}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def test_absent_phrases_are_those_of_all_images_and_phantoms_of_the_run(tmp_path: Path, phantom_data: Path) -> None:
    organs = {**ABSENT, "kinds": ["other organs"]}
    config = config_of(tmp_path, phantom_data, phantoms=PROSTATE, absent_phrases=organs)
    images = read_training_images(config)
    joined = training_examples(config, images, RESIZE)
    of_images, of_phantoms = examples_in(joined)[: len(images.train)], examples_in(joined)[len(images.train) :]
    assert {phrase for one in of_images for phrase in one.phrases} - OF_IMAGES == set(phrases_of("prostate"))
    # no phrase of the breast is asked in a prostate: their names do not say of which organ they are
    assert {phrase for one in of_phantoms for phrase in one.phrases} == set(phrases_of("prostate"))


def test_validation_asks_the_same_absent_phrases_every_time_and_rewords_nothing(
    tmp_path: Path, phantom_data: Path
) -> None:
    absent = {"beside": 1, "alone": 0.5}
    config = config_of(tmp_path, phantom_data, phantoms=PROSTATE, absent_phrases=absent, rewording=1.0)
    images = read_training_images(config)
    first, again = (examples_in(validation_examples(config, images, RESIZE)) for _ in range(2))
    assert [one.phrases for one in first] == [one.phrases for one in again]
    known = OF_IMAGES | set(phrases_of("prostate"))
    assert {phrase for one in first for phrase in one.phrases} <= known
    assert any(len(one.phrases) > 1 for one in first)
    assert 0 < sum(len(one.boxes_cxcywh_norm) == 0 for one in first) < len(first)
    trained = {phrase for one in examples_in(training_examples(config, images, RESIZE)) for phrase in one.phrases}
    assert not trained & known
    assert trained <= {words for phrase in known for words in read_phrase_book().training_wordings(phrase)}


def test_wordings_are_those_that_training_may_show(tmp_path: Path, phantom_data: Path) -> None:
    config = config_of(tmp_path, phantom_data, rewording=0.5)
    images = read_training_images(config)
    wordings = training_wordings(config, images)
    assert {"anechoic cyst", "find the benign mass"} <= set(wordings) and len(set(wordings)) == len(wordings)
    assert not {"show me the cyst", "benign lump"} & set(wordings)
    assert training_wordings(config_of(tmp_path, phantom_data), images) == ()


def test_phrases_that_the_book_does_not_know_are_told_once_and_never_asked(
    tmp_path: Path, phantom_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book = own_book(tmp_path, "cyst", "prostate")
    config = config_of(tmp_path, phantom_data, phrase_book=book, phantoms=PROSTATE, absent_phrases=ABSENT)
    images = read_training_images(config)
    examples = examples_in(training_examples(config, images, RESIZE))
    (told,) = [one.getMessage() for one in caplog.records if "phrase book" in one.getMessage()]
    unknown = OF_IMAGES - {"cyst"}
    assert all(phrase in told.partition(";")[0] for phrase in unknown) and "cyst" not in told.partition(";")[0]
    for record, example in zip(images.train, examples, strict=False):
        if unknown & set(record.phrases):
            assert example.phrases == record.phrases
    asked = {phrase for example in examples[len(images.train) :] for phrase in example.phrases}
    assert asked == {"prostate", "cyst"}


@pytest.mark.parametrize("known", [["spleen"], ["cyst", "spleen"]])
def test_where_nothing_absent_can_be_asked_the_run_does_not_begin(
    tmp_path: Path, phantom_data: Path, known: list[str]
) -> None:
    book = own_book(tmp_path, *known)
    config = config_of(tmp_path, phantom_data, phrase_book=book, absent_phrases=ABSENT)
    images = read_training_images(config)
    with pytest.raises(InputError, match=rf"data\.absent_phrases: {book} knows no phrase .* set data\.absent_phrases"):
        training_examples(config, images, RESIZE)


def test_a_sentence_that_is_longer_than_a_caption_is_refused_before_the_training(
    tmp_path: Path, phantom_data: Path
) -> None:
    book = tmp_path / "book.yaml"
    tree = {"phrases": {"spleen": {"organ": "spleen"}}, "frames": {"training": ["find the {phrase} " + "please " * 60]}}
    book.write_text(yaml.safe_dump(tree), encoding="utf-8")
    config = config_of(tmp_path, phantom_data, phrase_book=book, rewording=0.1)
    with pytest.raises(InputError, match=r"phrase 'find the .* takes \d+ tokens, the model reads 64; shorten it"):
        config.learner(read_training_images(config))
    assert config_of(tmp_path, phantom_data, phrase_book=book).learner(read_training_images(config)).name == "detector"


def test_the_note_on_the_data_changes_with_the_book_that_is_used(tmp_path: Path, phantom_data: Path) -> None:
    book = own_book(tmp_path, "cyst", "spleen")
    config = config_of(tmp_path, phantom_data, phrase_book=book, rewording=0.5)
    images = read_training_images(config)
    before = describe_images(config, images)
    own_book(tmp_path, "cyst", "liver")
    assert before != (after := describe_images(config, images))
    assert before.keys() == after.keys() and before["phrase_book_sha256"] != after["phrase_book_sha256"]
    unused = config_of(tmp_path, phantom_data, phrase_book=book)
    assert "phrase_book_sha256" not in describe_images(unused, images)


def test_a_book_that_is_not_there_is_named(tmp_path: Path, phantom_data: Path) -> None:
    config = config_of(tmp_path, phantom_data, phrase_book=tmp_path / "none.yaml", rewording=0.5)
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        training_examples(config, read_training_images(config), RESIZE)


def test_the_earlier_key_is_refused_with_the_new_one_unless_it_asked_nothing(
    tmp_path: Path, phantom_data: Path
) -> None:
    assert config_of(tmp_path, phantom_data, num_absent_phrases=0).data.absent_phrases is None
    with pytest.raises(InputError, match=r"num_absent_phrases .* write absent_phrases: \{beside: 2, alone: 0\}"):
        config_of(tmp_path, phantom_data, num_absent_phrases=2)


@pytest.mark.parametrize(
    ("baseline", "data", "message"),
    [
        ({"name": "unet"}, {"rewording": 0.5}, r"data\.rewording is for the detector; set it to 0 for a unet"),
        ({"name": "unet"}, {"absent_phrases": {"whole_book": True}}, r"set data\.absent_phrases\.whole_book to false"),
        ({"name": "samus"}, {"absent_phrases": {}}, r"learns from objects alone; set data\.absent_phrases to null"),
        ({"name": "unet"}, {"absent_phrases": {}}, None),
    ],
)
def test_a_compared_method_is_asked_what_it_can_learn(
    tmp_path: Path, phantom_data: Path, baseline: dict[str, str], data: dict[str, object], message: str | None
) -> None:
    paths = {"train_dir": phantom_data / "train", "train_ann": phantom_data / "train.CSV"}
    tree = {
        "data": {**{key: str(path) for key, path in paths.items()}, "train_masks": str(phantom_data / "train_mask")},
        "baseline": baseline | ({"start": "random-small"} if baseline["name"] == "samus" else {}),
        "training": {"output_dir": "run"},
    }
    tree["data"] |= data
    path = tmp_path / "baseline.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    if message is None:
        assert load_config(BaselineTrainConfig, path).data.absent_phrases is not None
        return
    with pytest.raises(InputError, match=message):
        load_config(BaselineTrainConfig, path)
