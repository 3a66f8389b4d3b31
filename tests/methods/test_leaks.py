"""Datasets that published weights were trained on are marked, under every name that a CSV may give them."""

from pathlib import Path

import pytest

from gdinousam.data.sources.public.registry import find_dataset
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes
from gdinousam.methods.leaks import leak_notes
from gdinousam.methods.samus.settings import TRAINED_ON as US30K
from gdinousam.methods.ultrasam.settings import TRAINED_ON as US_43D
from gdinousam.records import ImageRecord


def notes_on(*datasets: str, of: tuple[str, ...] | None = US30K, weights: str = "published.pth") -> Notes:
    return leak_notes("SAMUS", weights, of, [ImageRecord(Path("a.png"), 8, 8, dataset) for dataset in datasets])


@pytest.mark.parametrize("dataset", ["BUSI", "busi", "Busi", "tn3k"])
def test_a_dataset_is_known_by_name_and_tag(dataset: str) -> None:
    notes = notes_on(dataset, "my clinic")
    assert list(notes.of_datasets) == [dataset]
    assert "weights of SAMUS were trained on images of this dataset" in notes.of(dataset)[0]
    assert notes.of("my clinic") == ()


def test_samus_tests_on_udiat_alone() -> None:
    assert not notes_on("BUSB", "busb", "BUSBRA", "luminous").of_datasets


def test_ultrasam_has_seen_all_of_the_paper_but_luminous() -> None:
    names = [find_dataset(name).facts.name for name in US_43D if name not in ("HC18", "MMOTU", "DDTI", "CAMUS")]
    assert len(names) == len(set(names)) == 17
    assert set(notes_on("luminous", "hc18", "mmotu", of=US_43D).of_datasets) == {"hc18", "mmotu"}


def test_what_was_not_checked_is_said() -> None:
    notes = notes_on("busi", of=None)
    assert not notes.of_datasets and "It was not checked" in notes.remarks[0]


def test_random_weights_have_seen_nothing() -> None:
    assert notes_on("busi", weights="random") == notes_on("busi", of=None, weights="random-small") == NO_NOTES
