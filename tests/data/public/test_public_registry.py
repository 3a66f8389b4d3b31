"""The list of datasets: all of the paper, told apart by what their folders hold, with the facts of table 1."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import yaml

from gdinousam.data.sources.public.interface import DatasetFacts
from gdinousam.data.sources.public.registry import all_datasets, find_dataset, find_release, recognised
from gdinousam.errors import InputError

ROOT = Path(__file__).parents[3]
FACTS_FILE = ROOT.parent / "shared" / "datasets.yaml"
RAW = ROOT.parent / "shared" / "data" / "raw"
FACTS = [dataset.facts for dataset in all_datasets()]
by_facts = pytest.mark.parametrize("facts", FACTS, ids=lambda facts: facts.name)


def test_all_eighteen_are_there_with_the_totals_of_table_1() -> None:
    seen = [facts.paper_counts for facts in FACTS if facts.role == "seen"]
    assert len(FACTS) == 18 and len(seen) == 15
    assert tuple(map(sum, zip(*seen, strict=True))) == (12924, 3881, 1978)


def test_no_two_datasets_share_a_name_or_the_beginning_of_their_file_names() -> None:
    for one, other in combinations(FACTS, 2):
        assert not {one.name.lower(), one.tag, *one.aliases} & {other.name.lower(), other.tag, *other.aliases}
        assert not f"{one.tag}_".startswith(f"{other.tag}_") and not f"{other.tag}_".startswith(f"{one.tag}_")


@by_facts
def test_a_dataset_names_the_organ_in_its_own_phrases(facts: DatasetFacts) -> None:
    organs = {"breast": "breast", "back muscle": "multifidus muscle"}
    for phrase in facts.phrases.values():
        assert organs.get(facts.organ, facts.organ) in phrase


@by_facts
def test_the_classes_that_are_shuffled_apart_are_phrases(facts: DatasetFacts) -> None:
    assert set(facts.class_order) in (set(), set(facts.phrases))


@by_facts
@pytest.mark.real_data
@pytest.mark.skipif(not FACTS_FILE.is_file(), reason="the facts of the datasets are not here")
def test_facts_are_those_that_were_gathered(facts: DatasetFacts) -> None:
    gathered = {entry["name"]: entry for entry in yaml.safe_load(FACTS_FILE.read_text())["datasets"]}[facts.name]
    assert facts.tag == gathered["tag"] and facts.role == gathered["role"] and facts.organ == gathered["organ"]
    assert facts.homepage == gathered["homepage"]
    assert facts.paper_counts == tuple(gathered["counts"][split] for split in ("train", "val", "test"))
    assert set(facts.phrases) == set(gathered["prompts"])
    assert list(facts.class_order) == gathered["rows"].get("class_order", [])


@pytest.mark.real_data
@pytest.mark.skipif(not RAW.is_dir(), reason="the excerpts of public releases are not here")
@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("BUSI", "BUSI"),
        ("BUS-UCLM", "BUSUCLM"),
        ("BUSBRA", "BUSBRA"),
        ("STU-Hospital", "STU"),
        ("kidneyUS", "kidneyUS"),
    ],
)
def test_a_real_release_looks_like_itself_only(folder: str, expected: str) -> None:
    assert [dataset.facts.name for dataset, _ in recognised(RAW / folder)] == [expected]


@pytest.mark.real_data
@pytest.mark.skipif(not RAW.is_dir(), reason="the excerpts of public releases are not here")
@pytest.mark.parametrize("folder", ["HC18", "MMOTU", "AbdomenUS", "DDTI", "UltraSam_sample_coco"])
def test_other_releases_look_like_none(folder: str) -> None:
    assert recognised(RAW / folder) == []


def test_a_release_is_found_below_the_folders_that_an_archive_wraps_round_it(tmp_path: Path) -> None:
    hospital = tmp_path / "download" / "STU-master" / "Hospital"
    hospital.mkdir(parents=True)
    for name in ("Test_Image_1.png", "mask_1.png"):
        (hospital / name).touch()
    stu = find_dataset("STU")
    assert find_release(stu, tmp_path) == find_release(stu, tmp_path / "download")


def test_a_release_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "Hospital").mkdir(parents=True)
        for name in ("Test_Image_1.png", "mask_1.png"):
            (tmp_path / folder / "Hospital" / name).touch()
    with pytest.raises(InputError, match="holds STU more than once"):
        find_release(find_dataset("STU"), tmp_path)


def test_a_folder_of_something_else_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of the known datasets.*expected in it"):
        find_release(find_dataset("STU"), tmp_path)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing: no such folder"):
        find_release(find_dataset("STU"), tmp_path / "missing")
