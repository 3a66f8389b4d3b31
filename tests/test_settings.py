"""Settings made from other settings."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError, model_validator

from gdinousam.settings import ModelName, Settings, SettingsPath, derive


class Inner(Settings):
    size: int = Field(3, ge=1)


class Source(Settings):
    """name and width are of the source alone."""

    weights: ModelName
    folder: SettingsPath
    inner: Inner = Inner()
    name: str = "source"
    width: int = 1


class Kind(Settings):
    weights: ModelName
    folder: SettingsPath
    inner: Inner = Inner()
    limit: int = 5
    title: str = "title"

    @model_validator(mode="after")
    def _title_is_short(self) -> "Kind":
        if len(self.title) > self.limit:
            raise ValueError("too long")
        return self


SOURCE = Source(weights="somebody/model", folder=Path("/data"), inner=Inner(size=7), width=9)


def test_what_both_kinds_have_is_carried_and_the_rest_is_what_was_named_or_the_default() -> None:
    assert derive(Kind, SOURCE, title="mine") == Kind(
        weights="somebody/model", folder=Path("/data"), inner=Inner(size=7), title="mine"
    )
    assert derive(Kind, SOURCE, inner=Inner()).inner.size == 3


def test_names_of_models_and_paths_are_not_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somebody" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    source = Source.model_construct(weights="somebody/model", folder=Path("data"), inner=Inner())
    derived = derive(Kind, source)
    assert (derived.weights, derived.folder) == ("somebody/model", Path("data"))
    assert Kind(weights="somebody/model", folder=Path("data")).weights == str(tmp_path / "somebody" / "model")


def test_what_does_not_go_together_or_is_no_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="too long"):
        derive(Kind, SOURCE, title="much too long")
    with pytest.raises(ValidationError, match="width"):
        derive(Kind, SOURCE, width=3)
