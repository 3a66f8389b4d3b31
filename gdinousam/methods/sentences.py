"""The sentence that a method is asked in place of a phrase, from a YAML file that users edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.trace import Trace
from gdinousam.identity import phrase_identity, spellings
from gdinousam.methods.interface import weights_used
from gdinousam.phrase_book import PLACE
from gdinousam.prompts import caption_form
from gdinousam.reading import reason_of
from gdinousam.yaml_files import read_yaml

_KEYS = ("template", "sentences")
_SENTENCES = TypeAdapter(dict[str, str])


@dataclass(frozen=True)
class Sentences:
    """template: for phrases without a sentence, with ``{phrase}`` where the phrase goes. of_phrases: sentence by the
    identity of its phrase.
    """

    template: str
    of_phrases: Mapping[str, str] = field(default_factory=dict)

    def of(self, phrase: str) -> str:
        """The sentence for a phrase; InputError for a phrase without a letter or digit."""
        form = caption_form(phrase)
        return self.of_phrases.get(form) or self.template.replace(PLACE, form)


def read_sentences(path: Path | None, template: str) -> Sentences:
    """Read a YAML file with ``template``, ``sentences`` (phrase: sentence), or both; ``None``: the template alone.

    template: where the file has none. Raises InputError for a file that is missing or no YAML, for other keys, an empty
    sentence, a template without ``{phrase}``, and two sentences for one phrase.
    """
    if path is None:
        return Sentences(template)
    content = read_yaml(path, missing=f"{path}: no such file of sentences; check baseline.sentences") or {}
    if not isinstance(content, dict) or set(content) - set(_KEYS):
        raise InputError(
            f"{path} must hold {' and '.join(_KEYS)} and nothing else; see configs/prompts/medclip_sentences.yaml"
        )
    template = content.get("template", template)
    if not isinstance(template, str) or PLACE not in template:
        raise InputError(f"{path}: template = {template!r} has no {PLACE}; write where the phrase goes")
    try:
        sentences = _SENTENCES.validate_python(content.get("sentences") or {})
    except ValidationError as error:
        raise InputError(f"{path}: sentences: {reason_of(error)}; write a sentence for each phrase") from error
    for phrase, first in spellings(sentences, of_phrases=True).items():
        if first != phrase:
            raise InputError(f"{path}: {first!r} and {phrase!r} are one phrase; keep one sentence")
        if not sentences[phrase].strip():
            raise InputError(f"{path}: the sentence for {phrase!r} is empty; write one or remove the phrase")
    return Sentences(template, {phrase_identity(phrase): sentence for phrase, sentence in sentences.items()})


def traced_with(trace: Trace, path: Path | None) -> Trace:
    """With the file of sentences among the models, so that a run does not go on with others than it began with."""
    if path is None:
        return trace
    return replace(trace, models={**trace.models, "sentences": weights_used(str(path))})
