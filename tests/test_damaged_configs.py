"""Configs and --set with values that no setting has: taken, or refused in one line, never an error of a library."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml
from damage import FEW_OR_MANY, num_refused, refusal
from pydantic import BaseModel

from gdinousam.experiments.config import TestConfig as EvaluateConfig
from gdinousam.experiments.config import TrainConfig
from gdinousam.experiments.config.loading import dump_config, load_config
from gdinousam.settings import Settings, groups_in
from gdinousam.yaml_files import parse_yaml

CONFIGS = Path(__file__).parents[1] / "configs"
TAGS = (
    "int",
    "float",
    "bool",
    "null",
    "timestamp",
    "binary",
    "str",
    "seq",
    "map",
    "set",
    "omap",
    "pairs",
    "merge",
    "x",
)
TEXTS = (
    "",
    "x",
    "0b_",
    "0x",
    "-",
    "1:",
    ".",
    "2025-02-30",
    "2025-02-30T99:00:00",
    "[]",
    "{}",
    "[[1]]",
    "{a}",
    "'a\\nb'",
)
VALUES = (
    *(f"!!{tag} {text}" for tag, text in itertools.product(TAGS, TEXTS)),
    *TEXTS,
    *("&a [*a]", "&a {b: *a}", "*none", "!x 1", "!!python/name:os.system", '"\\ud800"', '"a\\0b"', "a\nb: c", "- a"),
    *("1e999", ".nan", "-.inf", "9" * 400, "9" * 5000, "~nobody-here/a", "[" * 900, "x" * 5000, "null", "true", "-1"),
    *("{<<: 1}", "{<<: [1]}", "{? [a] : b}", "{.nan: 1, .nan: 2}", "{1: 2, true: 3}", "%", "@", "`", "\t", "a: b: c"),
)


def keys(settings: type[Settings], prefix: str = "") -> list[str]:
    """Every group and setting by its dotted key."""
    found = []
    for name, field in settings.model_fields.items():
        found.append(prefix + name)
        for group in groups_in(field.annotation):
            found += [key for key in keys(group, f"{prefix}{name}.") if key not in found]
    return found


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_any_value_is_read_or_refused_in_one_line_that_names_its_source(value: str) -> None:
    for text in (value, f"a: {value}", f"[{value}]", f"{value}: 1"):
        said = refusal(lambda text=text: parse_yaml(text, "file.yaml"))
        assert said is None or said.startswith("file.yaml is not readable as YAML: ")


def test_aliases_that_contain_themselves_or_multiply_are_refused() -> None:
    multiplied = "a: &a [x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join(f'*{old}' for _ in range(9))}]\n" for old, new in itertools.pairwise("abcdefgh")
    )
    for text in ("a: &a [*a]", "&a {b: {c: *a}}", multiplied):
        assert "an alias contains itself, or there are more than" in str(
            refusal(lambda text=text: parse_yaml(text, "f"))
        )
    assert parse_yaml("a: &a [1]\nb: [*a, *a]", "f") == {"a": [1], "b": [[1], [1]]}


@pytest.mark.parametrize("share", [0.02, pytest.param(0.1, marks=[pytest.mark.slow, pytest.mark.exhaustive])])
@pytest.mark.parametrize("config_class", [TrainConfig, EvaluateConfig])
def test_any_setting_takes_any_value_or_refuses_it_in_one_line(config_class: type[Settings], share: float) -> None:
    path = CONFIGS / ("train_config.yaml" if config_class is TrainConfig else "test_config.yaml")
    pairs = list(itertools.product(keys(config_class), VALUES))
    for key, value in pairs[:: round(1 / share)]:

        def load(override: str = f"{key}={value}") -> None:
            config: BaseModel = load_config(config_class, path, [override])
            dump_config(config)  # type: ignore[arg-type]

        refusal(load)


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_a_damaged_config_is_read_or_refused_in_one_line(tmp_path: Path, count: int) -> None:
    path = tmp_path / "config.yaml"
    tree = yaml.safe_load((CONFIGS / "train_config.yaml").read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert num_refused(path, lambda one: load_config(TrainConfig, one), count)


@pytest.mark.parametrize("override", ["model.detector=[a\nb", "a\nb", "training.output_dir=!!int\n  ''"])
def test_an_override_of_several_lines_is_refused_in_one(override: str) -> None:
    said = refusal(lambda: load_config(TrainConfig, CONFIGS / "train_config.yaml", [override]))
    assert said is not None and said.startswith("--set ")
