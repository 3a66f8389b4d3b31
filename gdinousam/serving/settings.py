"""What can be set of a server: where it listens, who may ask, and how much it takes at once."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from gdinousam.errors import InputError
from gdinousam.settings import Settings

TOKEN_VARIABLE = "GDINOUSAM_TOKEN"
SHORTEST_TOKEN = 16  # characters; shorter ones can be guessed by trying


class ServeSettings(Settings):
    """Address, token and limits."""

    host: str = Field("127.0.0.1", description="Address to listen on; any but this machine's own needs a token.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: a free one.")
    token: SecretStr | None = Field(None, description="What clients must send as Authorization: Bearer.")
    max_megabytes: float = Field(64.0, gt=0, description="Largest request body in millions of bytes.")
    max_megapixels: float = Field(16.0, gt=0, description="Largest picture or frame in millions of pixels.")
    max_frames: int = Field(2000, ge=1, description="Most frames of a clip.")
    max_phrases: int = Field(32, ge=1, description="Most phrases of a request.")
    max_hints: int = Field(64, ge=1, description="Most hints of a request.")
    queue: int = Field(64, ge=1, description="Requests that are taken in at once; more are answered 429.")
    together: int = Field(
        1,
        ge=1,
        description="Images of concurrent requests that go through a model at once. Above 1 scores differ in the last "
        "digits from those of an image on its own.",
    )
    wait_ms: float = Field(5.0, ge=0, description="How long a batch waits for further images, if together allows some.")
    upload_seconds: float = Field(60.0, gt=0, description="Time in which a request must have arrived.")
    answer_seconds: float = Field(120.0, gt=0, description="Time after which a request is given up.")
    max_clips: int = Field(8, ge=1, description="Clips that wait or run at once; more are answered 429.")
    kept_clips: int = Field(64, ge=1, description="Clips whose results are kept; further ones push the oldest out.")
    keep_minutes: float = Field(30.0, gt=0, description="How long the result of a clip is kept.")
    corrections: Path | None = Field(None, description="Folder that gets saved corrections; null: none are saved.")

    @model_validator(mode="after")
    def _others_need_a_token(self) -> ServeSettings:
        if self.token is not None and len(self.token.get_secret_value()) < SHORTEST_TOKEN:
            raise ValueError(f"the token is shorter than {SHORTEST_TOKEN} characters; give a longer one")
        if self.token is None and not self.is_local:
            raise ValueError(
                f"{self.host} can be reached from other machines; name a file with a token by --token-file, or set "
                f"{TOKEN_VARIABLE}"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def max_bytes(self) -> int:
        """The largest request body in bytes."""
        return round(1e6 * self.max_megabytes)

    @property
    def max_pixels(self) -> int:
        """The largest picture or frame in pixels."""
        return round(1e6 * self.max_megapixels)


def is_loopback(host: str) -> bool:
    """Whether a name or address, without a port, is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_token(path: Path) -> str:
    """The token in a file: its only line. Raises InputError where there is none."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read; give a text file that holds the token") from error
    if len(lines) != 1:
        raise InputError(f"{path}: holds {len(lines)} words; write the token alone into it")
    return lines[0]
