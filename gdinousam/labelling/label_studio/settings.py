"""What can be set of the backend for Label Studio."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from gdinousam.settings import Settings, SettingsPath

TOKEN_VARIABLE = "LABEL_STUDIO_API_KEY"  # as label-studio-sdk calls it


class LabelStudioSettings(Settings):
    """Where Label Studio and its images are, and what trains on its annotations."""

    url: str | None = Field(
        None, description="Address of Label Studio, from which alone images are fetched; null: from nowhere."
    )
    token: SecretStr | None = Field(None, description="Access token of a user of Label Studio, sent to that address.")
    files: SettingsPath | None = Field(
        None, description="Folder of Label Studio's local files, the only one that is read; null: none is."
    )
    runs: SettingsPath | None = Field(None, description="Folder that gets tuning runs; null: nothing is trained.")
    config: SettingsPath | None = Field(
        None,
        description="Config of a training, which says what is tuned; null: the small model, in its example config.",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("give an address such as http://localhost:8080")
        return None if url is None else url.rstrip("/")

    @field_validator("files", "config")
    @classmethod
    def _is_there(cls, path: Path | None) -> Path | None:
        if path is not None and not path.exists():
            raise ValueError(f"{path} is not there; check the path")
        return path

    @model_validator(mode="after")
    def _token_has_an_address(self) -> LabelStudioSettings:
        if self.token is not None and self.url is None:
            raise ValueError("a token needs the url that it is for; give both")
        return self
