"""Several methods on the same queries: what must hold before their numbers may stand side by side.

Results are compared whole or not at all. Only where the user says so are they cut to what they have in common, and then
the cut is counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.paper_numbers import (
    MethodTable,
    dataset_in_paper,
    in_paper_order,
    paper_table,
    place_in_paper,
)
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes, said_once
from gdinousam.evaluation.scoring.results import Results
from gdinousam.evaluation.scoring.rows import ProtocolName, ScoreRow
from gdinousam.identity import identity, phrase_identity
from gdinousam.records import WeightsKind

NUM_NAMED = 5  # examples in a message; the rest is counted

Key = tuple[str, str, str]  # identity of the dataset, image_name, identity of the phrase


@dataclass(frozen=True)
class Compared:
    """Methods on the same queries.

    protocol: the one that all rows are of. rows: of each method, the same queries in the same order, at least one.
    remarks: what a reader of the numbers must know of how they were put together, a sentence each. notes: by method.
    weights: what those of each method are; one that is not in it: unknown. references: methods that are not candidates
    for the best.
    """

    protocol: ProtocolName
    rows: Mapping[str, tuple[ScoreRow, ...]]
    remarks: tuple[str, ...] = ()
    notes: Mapping[str, Notes] = field(default_factory=dict)
    weights: Mapping[str, WeightsKind] = field(default_factory=dict)
    references: frozenset[str] = frozenset()

    def weights_of(self, method: str) -> WeightsKind:
        """What the weights of a method are."""
        return self.weights.get(method, "unknown")

    def footnotes(self, method: str, dataset: str) -> tuple[str, ...]:
        """What a method's score on a dataset has as its footnotes."""
        return self.notes.get(method, NO_NOTES).of(dataset)

    def mean_footnotes(self, method: str) -> tuple[str, ...]:
        """What a method's mean over all datasets has as its footnotes."""
        return self.notes.get(method, NO_NOTES).of_mean(self.datasets)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Those that occur: first in the order of the paper's tables 3 and 4, then as they come."""
        return in_paper_order(row.dataset for row in next(iter(self.rows.values())))


def rename(results: Sequence[Results], names: Sequence[str]) -> list[Results]:
    """Give the methods other names (``Results.called``), in the order of the results; InputError where there are not as
    many.
    """
    if len(names) != len(results):
        raise InputError(f"{len(names)} names for {len(results)} results; give --names one name for each, in order")
    return [one.called(name) for one, name in zip(results, names, strict=True)]


def in_order_of_methods(results: Sequence[Results]) -> list[Results]:
    """The paper's methods in the order of its tables 3, 4 and 6, in the places that they take up; all others stay."""
    place_of = {at: place for at, one in enumerate(results) if (place := place_in_paper(one.method)) is not None}
    ordered = list(results)
    for at, other in zip(place_of, sorted(place_of, key=place_of.__getitem__), strict=True):
        ordered[at] = results[other]
    return ordered


def compare(results: Sequence[Results], protocol: ProtocolName = "strict", common: bool = False) -> Compared:
    """Put methods side by side.

    results: one per method, at least one. common: keep the queries that all of them hold, and count what is dropped,
    instead of refusing results that do not hold the same. Raises InputError where two methods have one name, where they
    saw different data, hold different queries or were scored against different truths; a truth that was resized to the
    method's masks is not compared, its note says so.
    """
    _refuse_equal_names(results)
    if not common:
        _refuse_different_data(results)
    by_key = {one.method: _by_key(one, protocol) for one in results}
    shared = [key for key in by_key[results[0].method] if all(key in rows for rows in by_key.values())]
    remarks = _remarks(results)
    dropped = {method: len(rows) - len(shared) for method, rows in by_key.items() if len(rows) > len(shared)}
    if dropped and not common:
        _refuse_different_queries(by_key)
    if dropped:
        counts = ", ".join(f"{count} of {len(by_key[method])} of {method}" for method, count in dropped.items())
        remarks.append(f"Only the {len(shared)} queries that all methods hold are compared; dropped: {counts}.")
    if not shared:
        raise InputError(f"no {protocol} query is in all results; give results of the same test file")
    rows = {method: tuple(of_method[key] for key in shared) for method, of_method in by_key.items()}
    resized = {one.method for one in results if one.notes.resized_truth}
    _refuse_different_truth({method: of_method for method, of_method in rows.items() if method not in resized})
    return Compared(
        protocol,
        rows,
        tuple(remarks),
        notes={one.method: one.notes for one in results},
        weights={one.method: one.weights for one in results},
        references=frozenset(one.method for one in results if one.is_reference),
    )


def of_paper_table(compared: Compared, number: MethodTable) -> Compared:
    """Keep the datasets of the paper's table 3 (seen) or 4 (unseen) and say what is not in it, on either side.

    Raises InputError where none of them occurs.
    """
    where = {dataset: dataset_in_paper(dataset) for dataset in compared.datasets}
    kept = {dataset: found[1] for dataset, found in where.items() if found is not None and found[0] == number}
    others = [dataset for dataset in where if dataset not in kept]
    if not kept:
        raise InputError(
            f"no dataset of the paper's table {number} in these results, only {', '.join(others)}; leave out --table"
        )
    remarks = list(compared.remarks)
    if others:
        remarks.append(f"Not in table {number} of the paper, so not here: {', '.join(others)}.")
    missing = [name for name in paper_table(number).scores if name not in kept.values()]
    if missing:
        remarks.append(f"In table {number} of the paper, but not in these results: {', '.join(missing)}.")
    rows = {
        method: tuple(row for row in of_method if row.dataset in kept) for method, of_method in compared.rows.items()
    }
    return replace(compared, rows=rows, remarks=tuple(remarks))


def _refuse_equal_names(results: Sequence[Results]) -> None:
    counts = Counter(one.method for one in results)
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        folders = ", ".join(str(one.folder) for one in results if one.method == twice)
        raise InputError(f"{folders}: results of methods of one name, {twice!r}; tell them apart with --names")


def _refuse_different_data(results: Sequence[Results]) -> None:
    first = results[0]
    for other in results[1:]:
        if other.data_sha256 != first.data_sha256:
            raise InputError(
                f"{first.folder} and {other.folder} are results of different test files (csv_sha256 "
                f"{first.data_sha256[:12]} and {other.data_sha256[:12]} in data.json); evaluate both on the same, or "
                "add --common to compare the queries that both hold"
            )


def _key(row: ScoreRow) -> Key:
    return identity(row.dataset), row.image_name, phrase_identity(row.phrase)


def _by_key(results: Results, protocol: ProtocolName) -> dict[Key, ScoreRow]:
    rows: dict[Key, ScoreRow] = {}
    for row in results.rows:
        key = _key(row)
        if row.protocol != protocol:
            continue
        if key in rows:
            raise InputError(f"{results.folder}: {_name(key)} is scored twice; evaluate again into a new folder")
        counts = row.supported and (row.found if protocol == "paper" else row.target_present)
        if counts and math.isnan(row.dice):
            raise InputError(f"{results.folder}: {_name(key)} has no Dice although it counts; evaluate it again")
        rows[key] = row
    return rows


def _refuse_different_queries(by_key: Mapping[str, Mapping[Key, ScoreRow]]) -> None:
    everything = dict.fromkeys(key for rows in by_key.values() for key in rows)
    lacks = []
    for method, rows in by_key.items():
        missing = [_name(key) for key in everything if key not in rows]
        if missing:
            more = f" and {len(missing) - NUM_NAMED} more" if len(missing) > NUM_NAMED else ""
            lacks.append(f"{method} lacks {len(missing)} of {len(everything)}: {', '.join(missing[:NUM_NAMED])}{more}")
    raise InputError(
        f"the results do not hold the same queries ({'; '.join(lacks)}); finish the evaluation, or add --common to "
        "compare the queries that all hold"
    )


def _refuse_different_truth(rows: Mapping[str, Sequence[ScoreRow]]) -> None:
    first = next(iter(rows), "")
    for other in list(rows)[1:]:
        for one, same in zip(rows[first], rows[other], strict=True):
            if _truth(one) != _truth(same):
                raise InputError(
                    f"{_name(_key(one))}: {first} was scored against {_truth_text(one)}, {other} against "
                    f"{_truth_text(same)}; evaluate both with the same masks"
                )


def _truth(row: ScoreRow) -> tuple[int, ...]:
    return row.image_width, row.image_height, row.num_instances, row.true_pixels


def _truth_text(row: ScoreRow) -> str:
    return f"{row.num_instances} objects of {row.true_pixels} pixels in {row.image_width} x {row.image_height}"


def _name(key: Key) -> str:
    dataset, image_name, phrase = key
    return f"{dataset} {image_name} {phrase!r}"


def _remarks(results: Sequence[Results]) -> list[str]:
    """What methods are given beside text, their notes, and that they were run with different versions."""
    remarks = []
    for one in results:
        if set(one.needs) != {"text"}:
            remarks.append(f"{one.method} is given beside the image: {', '.join(sorted(one.needs)) or 'nothing'}.")
    remarks += said_once({one.method: one.notes.remarks for one in results})
    versions = {one.method: one.version for one in results}
    if len(set(versions.values())) > 1:
        named = ", ".join(f"{method} {version}" for method, version in versions.items())
        remarks.append(f"Scored by different versions of gdinousam: {named}.")
    return remarks
