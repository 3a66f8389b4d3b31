"""Datasets that published weights were trained on are marked, under every name that a CSV may give them."""

import pytest

from gdinousam.data.sources.public.registry import find_dataset
from gdinousam.methods.leaks import TRAINED_ON, leak_notes


@pytest.mark.parametrize("dataset", ["BUSI", "busi", "Busi", "tn3k"])
def test_a_dataset_is_known_by_name_and_tag(dataset: str) -> None:
    notes = leak_notes("SAMUS", [dataset, "my clinic"])
    assert list(notes.of_datasets) == [dataset]
    assert "weights of SAMUS were trained on images of this dataset" in notes.of(dataset)[0]
    assert notes.of("my clinic") == ()


def test_samus_tests_on_udiat_alone() -> None:
    assert not leak_notes("SAMUS", ["BUSB", "busb", "BUSBRA", "luminous"]).of_datasets


def test_ultrasam_has_seen_all_of_the_paper_but_luminous() -> None:
    names = [
        find_dataset(name).facts.name
        for name in TRAINED_ON["UltraSam"]
        if name not in ("HC18", "MMOTU", "DDTI", "CAMUS")
    ]
    assert len(names) == len(set(names)) == 17
    assert set(leak_notes("UltraSam", ["luminous", "hc18", "mmotu"]).of_datasets) == {"hc18", "mmotu"}


@pytest.mark.parametrize("method", ["MedSAM", "UniverSeg"])
def test_what_was_not_checked_is_said(method: str) -> None:
    notes = leak_notes(method, ["busi"])
    assert not notes.of_datasets and method in notes.remarks[0]
