"""Names in the contract: of datasets, the spellings of a phrase, and the order of file names."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd

from gdinousam.errors import InputError
from gdinousam.identity import difference, same_name, spellings, visible
from gdinousam.records import ImageRecord


def datasets_of(records: Iterable[ImageRecord]) -> tuple[str, ...]:
    """The distinct datasets of the records, in order of first appearance."""
    return tuple(dict.fromkeys(record.dataset for record in records))


def phrases_of(records: Iterable[ImageRecord]) -> tuple[str, ...]:
    """The distinct phrases of the records, in order of first appearance."""
    return tuple(dict.fromkeys(phrase for record in records for phrase in record.phrases))


def of_datasets(
    records: tuple[ImageRecord, ...], datasets: Sequence[str] | None, csv_path: Path
) -> tuple[ImageRecord, ...]:
    """The records of the named datasets in the order of the file, all of them where ``datasets`` is ``None``.

    datasets: as in the column ``dataset``, in any spelling. csv_path: the file, for the message. Raises InputError
    for a dataset that the file does not have; the message lists those that it has.
    """
    if datasets is None:
        return records
    known = datasets_of(records)
    wanted = {name: same_name(name, known) for name in datasets}
    for name, found in wanted.items():
        if found is None:
            raise InputError(f"{csv_path}: no image of dataset {name!r} (data.datasets); it has: {', '.join(known)}")
    return tuple(record for record in records if record.dataset in wanted.values())


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


def natural_key(path: Path | str) -> tuple[tuple[int, int | str], ...]:
    """A sort key under which ``2.png`` comes before ``10.png``; of a path only the name counts, in either case."""
    name = path.name if isinstance(path, Path) else path
    parts = re.findall(r"\d+|\D+", name.lower())
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts)
