"""One spelling for every phrase, dataset and group: the model reads "Cyst" and "cyst " alike, so tables must too."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd

from gdinousam.identity import difference, spellings, visible
from gdinousam.records import ImageRecord

logger = logging.getLogger(__name__)


def unify_spellings(table: pd.DataFrame, phrase_column: str, name_columns: Sequence[str], csv_path: Path) -> None:
    """Give each name of a table the spelling of its first row, in place; the log says which were changed.

    phrase_column, name_columns: columns of texts; those that the table lacks are passed over.
    """
    for column in (phrase_column, *name_columns):
        if column not in table.columns:
            continue
        spelling_of = spellings((text for text in table[column] if text.strip()), of_phrases=column == phrase_column)
        changed = {text: first for text, first in spelling_of.items() if text != first}
        if changed:
            table[column] = [spelling_of.get(text, text) for text in table[column]]
            _say_once(csv_path, column, tuple(changed.items()))


def respelled(records: Iterable[ImageRecord], like: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
    """Records with the datasets and phrases spelt as other records spell them, so that equal names are equal texts.

    like: whose spelling counts, each with one spelling per name. Names that only ``records`` have stay as they are.
    """
    records, like = tuple(records), tuple(like)
    phrase_of = spellings((phrase for record in (*like, *records) for phrase in record.phrases), of_phrases=True)
    dataset_of = spellings(record.dataset for record in (*like, *records))
    return tuple(
        replace(
            record,
            dataset=dataset_of[record.dataset],
            instances=tuple(replace(one, phrase=phrase_of.get(one.phrase, one.phrase)) for one in record.instances),
            absent_phrases=tuple(phrase_of.get(phrase, phrase) for phrase in record.absent_phrases),
            phrases=tuple(phrase_of[phrase] for phrase in record.phrases),
            last_phrase=phrase_of.get(record.last_phrase, record.last_phrase),
        )
        for record in records
    )


@cache  # a run reads its tables several times
def _say_once(csv_path: Path, column: str, changed: tuple[tuple[str, str], ...]) -> None:
    text, first = changed[0]
    more = f" and {len(changed) - 1} more spelling{'s' * (len(changed) > 2)}" if len(changed) > 1 else ""
    logger.warning(
        "%s: %s %s is read as %s (they differ by %s)%s",
        csv_path, column, visible(text), visible(first), difference(text, first), more,
    )  # fmt: skip
