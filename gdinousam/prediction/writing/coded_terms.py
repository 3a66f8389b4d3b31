"""What a phrase names, as codes of SNOMED CT; the table is ``assets/coded_terms.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from gdinousam.assets import ASSETS
from gdinousam.errors import InputError
from gdinousam.prompts import caption_form
from gdinousam.reading import reason_of
from gdinousam.settings import Settings
from gdinousam.yaml_files import read_yaml

TABLE = ASSETS / "coded_terms.yaml"
Code = tuple[str, str]  # of SNOMED CT, and its meaning
# PS3.16, CID 7150: categories of what is segmented
TISSUE: Code = ("85756007", "Tissue")
ORGAN: Code = ("91723000", "Anatomical Structure")
FINDING: Code = ("49755003", "Morphologically Abnormal Structure")


@dataclass(frozen=True)
class Term:
    """What is segmented. category: as DICOM sorts it. kind: what it is. place: where a finding lies, where known."""

    category: Code
    kind: Code
    place: Code | None = None


class CodedTerms(Settings):
    """A table of codes: words of a phrase -> code and meaning, and words for an organ -> its words in the table."""

    findings: dict[str, Code] = Field(default={}, description="what may be found in an organ")
    organs: dict[str, Code] = Field(default={}, description="organs and their parts")
    adjectives: dict[str, str] = Field(default={}, description="further words for an organ of the table")

    def term_of(self, phrase: str) -> Term:
        """The codes of a phrase; those of tissue where the table knows none of its words."""
        text = caption_form(phrase)
        finding = _longest(self.findings, text)
        organ = _longest((*self.organs, *self.adjectives), text)
        place = None if organ is None else self.organs.get(self.adjectives.get(organ, organ))
        if finding is not None:
            return Term(FINDING, self.findings[finding], place)
        return Term(TISSUE, TISSUE) if place is None else Term(ORGAN, place)


def read_coded_terms(path: Path = TABLE) -> CodedTerms:
    """Read a table of codes; ``InputError`` naming the file for one that is missing or of another form."""
    content = read_yaml(path, f"{path}: no such table of coded terms; check the path")
    try:
        return CodedTerms.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {reason_of(error)}; write it like gdinousam/assets/coded_terms.yaml") from error


def _longest(words: Iterable[str], text: str) -> str | None:
    """The entry with the most letters of those that stand in a text as whole words, also in the plural."""
    found = [entry for entry in words if re.search(rf"\b{re.escape(entry)}s?\b", text)]
    return max(found, key=len, default=None)
