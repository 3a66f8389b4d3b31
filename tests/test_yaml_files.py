"""The one YAML reader: words stay words, plain numbers are numbers, equal keys and wrong tags are refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gdinousam.data.sources.coco.instances import read_phrase_mapping
from gdinousam.errors import InputError
from gdinousam.experiments.config import TrainConfig
from gdinousam.experiments.config.loading import load_config
from gdinousam.experiments.studies.prompts_file import read_prompts
from gdinousam.yaml_files import parse_yaml, read_yaml

CONFIG = """
data: {train_dir: images, train_ann: train.csv}
model: {detector: small}
training: {output_dir: run}
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("Off", "Off"), ("y", "y"), ("true", True), ("False", False),
        ("null", None), ("~", None), ("", None), ("12", 12), ("-3", -3), ("012", "012"), ("0o17", "0o17"),
        ("1:30", "1:30"), ("1_000", "1_000"), ("0b1", "0b1"), ("0x1F", "0x1F"), ("2025-02-30", "2025-02-30"),
        ("1.5", 1.5), ("1e-3", 0.001), ("-.5e3", -500.0), ("1.0e-05", 1e-05), (".inf", float("inf")),
        ("1.2.3", "1.2.3"), ("'no'", "no"), ("truely", "truely"), ("0", 0), ("[no, 01, 1]", ["no", "01", 1]),
        ("=", "="),
    ],
)  # fmt: skip
def test_values_are_read_as_they_are_meant(text: str, value: object):
    assert parse_yaml(text, "here") == value
    assert type(parse_yaml(text, "here")) is type(value)


@pytest.mark.parametrize("value", [{"a": "no", "b": ["012", "1:30", "", "null"]}, {"x": 1e-05, "y": [True, None, -7]}])
def test_what_is_written_is_read_again(value: dict[str, Any]):
    assert parse_yaml(yaml.safe_dump(value), "here") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "'a' stands there twice, in lines 1 and 3"),
        ("a: {b: 1, b: 1}", "'b' stands there twice, in lines 1 and 1"),
        ("a: !!int x", "invalid literal"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
        ("? [1]\n: 2", "unhashable"),
        ("a: [1", "line 1"),
        ("a: &x [*x", "expected"),
        ("- " * 5000 + "a", "."),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_the_source(text: str, message: str):
    with pytest.raises(InputError, match=message) as caught:
        parse_yaml(text, "file.yaml")
    assert str(caught.value).startswith("file.yaml is not readable as YAML: ") and "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="give another"):
        read_yaml(tmp_path / "a.yaml", "give another")
    (tmp_path / "a.yaml").write_bytes(b"a: \xff")
    with pytest.raises(InputError, match="utf-8"):
        read_yaml(tmp_path / "a.yaml", "")
    with pytest.raises(InputError, match="directory"):
        read_yaml(tmp_path, "")


def config(folder: Path, *overrides: str, more: str = "") -> TrainConfig:
    (folder / "train.yaml").write_text(CONFIG + more)
    return load_config(TrainConfig, folder / "train.yaml", overrides)


@pytest.mark.parametrize("value", ["no", "'no'"])
def test_the_documented_mixed_precision_no_is_accepted(tmp_path: Path, value: str):
    assert config(tmp_path, f"training.mixed_precision={value}").training.mixed_precision == "no"
    (tmp_path / "train.yaml").write_text(CONFIG.replace("run}", f"run, mixed_precision: {value}}}"))
    assert load_config(TrainConfig, tmp_path / "train.yaml").training.mixed_precision == "no"


@pytest.mark.parametrize(("value", "switched"), [("yes", True), ("on", True), ("no", False), ("Off", False)])
def test_switches_take_the_words_for_true_and_false(tmp_path: Path, value: str, switched: bool):
    assert config(tmp_path, f"data.allow_odd={value}").data.allow_odd is switched


def test_a_number_with_a_leading_zero_is_that_number(tmp_path: Path):
    assert config(tmp_path, "training.num_epochs=012").training.num_epochs == 12
    assert config(tmp_path, "data.datasets=[012]").data.datasets == ("012",)


@pytest.mark.parametrize("value", ["1:30", "0x10", "2025-02-30"])
def test_no_number_at_all_is_refused_with_its_key(tmp_path: Path, value: str):
    with pytest.raises(InputError, match=rf"training\.num_epochs = '{value}'"):
        config(tmp_path, f"training.num_epochs={value}")


def test_a_key_that_stands_twice_in_a_config_is_refused_with_its_lines(tmp_path: Path):
    with pytest.raises(InputError, match=r"train\.yaml .*'training' stands there twice, in lines 4 and 6"):
        config(tmp_path, more="\ntraining: {num_epochs: 3}\n")


def test_files_of_phrases_are_read_by_the_same_rules(tmp_path: Path):
    path = tmp_path / "phrases.yaml"
    path.write_text("no: no lesion\noff: on\n")
    assert read_phrase_mapping(path) == {"no": "no lesion", "off": "on"}
    path.write_text("cyst: [no, 2025-02-30]\n")
    (group,) = read_prompts([path])
    assert (group.name, group.prompts) == ("cyst", ("no", "2025-02-30"))
    path.write_text("cyst: [a]\ncyst: [b]\n")
    with pytest.raises(InputError, match="'cyst' stands there twice, in lines 1 and 2"):
        read_prompts([path])
