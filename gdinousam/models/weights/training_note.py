"""What the note of a training beside weights lists, and a word on what is asked of weights that never learned it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gdinousam.identity import phrase_identity
from gdinousam.models.loading import note_beside
from gdinousam.models.weights.origin import TRAINING_NOTE
from gdinousam.reading import read_json_object

logger = logging.getLogger(__name__)

PHRASES, WORDINGS = "phrases", "wordings"  # in the note of a training; wordings: other words for the phrases
LOSS_TERMS, ENCODER_MASKS = "loss_terms", "encoder_masks"  # in it the terms of the loss, and the one that teaches maps
_MOST_SHOWN = 6


def trained_phrases(weights: str | Path) -> tuple[str, ...]:
    """The phrases that a detector or adapter was trained with; empty where no list lies beside it.

    weights: a folder, hub id or own name; an adapter is judged by its own list. Raises InputError for a note that
    cannot be read.
    """
    return tuple(map(str, _noted(weights, PHRASES) or ()))


def known_phrases(detector: str | Path, adapter: str | Path | None) -> tuple[str, ...]:
    """The phrases of the last training, then those of the detector below it; none where the last has left no list.

    Raises InputError for a note that cannot be read.
    """
    last = trained_phrases(adapter or detector)
    return tuple(dict.fromkeys((*last, *(trained_phrases(detector) if last and adapter else ()))))


def warn_of_new_phrases(detector: str | Path, adapter: str | Path | None, asked: Iterable[str]) -> tuple[str, ...]:
    """Log which of the phrases neither training had, of detector nor of adapter, and return them.

    Other words that a training could show for its phrases are not new. None where the last training has left no list.
    """
    known = known_phrases(detector, adapter)
    other_words = [words for weights in (adapter, detector) if weights for words in _noted(weights, WORDINGS) or ()]
    identities = {phrase_identity(str(phrase)) for phrase in (*known, *other_words)}
    new = tuple(phrase for phrase in dict.fromkeys(asked) if phrase_identity(phrase) not in identities) if known else ()
    if new:
        logger.warning(
            "the training of %s never had %s, so its answers to that are guesses; it had: %s",
            adapter or detector,
            _listed(new),
            _listed(known),
        )
    return new


def _noted(weights: str | Path, key: str) -> list[Any] | None:
    """A list in the note beside weights; ``None`` where there is none."""
    path = note_beside(weights, TRAINING_NOTE)
    noted = read_json_object(path).get(key) if path is not None else None
    return noted if isinstance(noted, list) else None


def _listed(phrases: tuple[str, ...]) -> str:
    more = len(phrases) - _MOST_SHOWN
    return ", ".join(map(repr, phrases[:_MOST_SHOWN])) + (f" and {more} more" if more > 0 else "")


def warn_of_untaught_maps(weights: str | Path) -> None:
    """Log that nothing says of weights that their maps of phrases were taught, where that is so.

    weights: the adapter, or the detector where there is none. Raises InputError for a note that cannot be read.
    """
    if ENCODER_MASKS not in (_noted(weights, LOSS_TERMS) or ()):
        logger.warning(
            "prediction.maps: nothing says that the training of %s taught it where phrases are (losses.%s), so its "
            "maps may spoil boxes and masks; leave maps out",
            weights,
            ENCODER_MASKS,
        )


DATASETS = "datasets"  # in the note of a training


def trained_datasets(weights: Iterable[str | Path]) -> tuple[str, ...] | None:
    """The names of the datasets that any of the weights was trained on, sorted; ``None`` where no note lists them.

    weights: folders, hub ids or own names. Those without a list, a published base say, add nothing. Raises InputError
    for a note that cannot be read.
    """
    lists = [noted for one in weights if (noted := _noted(one, DATASETS)) is not None]
    return tuple(sorted({str(name) for noted in lists for name in noted})) if lists else None
