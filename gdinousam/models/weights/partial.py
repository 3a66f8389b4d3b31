"""The part of a file that has arrived so far, and of which version of the file it is a part.

What arrives is written to ``FILE.partial``. ``FILE.partial.json`` beside it names the version, so that a file that has
changed meanwhile is never glued to an old beginning.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from gdinousam.files import write_json


@dataclass(frozen=True)
class Version:
    """One version of the file at a URL: the server's strong ETag and the size of the whole in bytes."""

    url: str
    etag: str
    num_bytes: int


@dataclass(frozen=True)
class Partial:
    """path: where the part lies. note: where its version is written."""

    path: Path
    note: Path

    @classmethod
    def of(cls, path: Path) -> Partial:
        """The part of the file that is to become ``path``."""
        return cls(path.with_name(f"{path.name}.partial"), path.with_name(f"{path.name}.partial.json"))

    @property
    def num_bytes(self) -> int:
        """How much has arrived; 0 where nothing has."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, url: str) -> Version | None:
        """What it is a part of; ``None`` where nothing lies there that the file at the URL could continue."""
        try:
            version = Version(**json.loads(self.note.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return version if version.url == url and 0 < self.num_bytes <= version.num_bytes else None

    def set_version(self, version: Version | None) -> None:
        """Note what is about to arrive; ``None`` makes it a part that cannot be continued."""
        if version is None:
            self.note.unlink(missing_ok=True)
        else:
            write_json(self.note, asdict(version))

    def finish(self, path: Path) -> None:
        """Put the whole file in its place."""
        self.path.replace(path)
        self.note.unlink(missing_ok=True)
