"""The same scores for parts of the queries: by dataset, organ, seen or unseen, target size, number of targets, absence.

A row says all that is needed, except the organ and the role of its dataset. The facts of the public datasets say which
organ; whether it was seen in training say the weights, and the paper's list only where they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from gdinousam.data.sources.public.registry import find_dataset
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.paper_numbers import in_paper_order
from gdinousam.evaluation.reporting.summary import Summary, summary_of
from gdinousam.evaluation.scoring.rows import ProtocolName, ScoreRow
from gdinousam.identity import identity

StratumKind = Literal["dataset", "organ", "training", "target size", "number of targets", "target"]
UNKNOWN = "unknown"  # organ and role of a dataset that is none of the public ones
SIZES = ("< 1 %", "1-5 %", "5-20 %", "> 20 %")  # of the image's area; our own cuts, 1 and 5 belong upwards, 20 down
NUMBERS = ("1", "2", "3 or more")
ROLES = ("seen", "unseen", UNKNOWN)
ABSENT = "absent"
PRESENCE = ("present", ABSENT)


@dataclass(frozen=True)
class Stratum:
    """Scores of the queries that have something in common.

    kind: what they have in common. name: which one of that kind.
    summary: without average precision; its ``dataset`` is the name.
    """

    kind: StratumKind
    name: str
    summary: Summary


def stratify(
    rows: Sequence[ScoreRow], protocol: ProtocolName = "strict", trained_on: Collection[str] | None = None
) -> list[Stratum]:
    """Summaries of the strata of one protocol's rows, kind by kind; strata without a query are left out.

    trained_on: the datasets that count as seen; ``None``: those of the paper. Datasets stand in the paper's order,
    organs in that of first appearance, the rest in a fixed one. Queries without a target are in the
    strata of dataset, organ and training, and in "absent"; they have no target size. No rows: an empty list.
    """
    queries = [row for row in rows if row.protocol == protocol]
    datasets = in_paper_order(row.dataset for row in queries)
    facts = {dataset: _facts(dataset, trained_on) for dataset in datasets}
    kinds: list[tuple[StratumKind, Callable[[ScoreRow], str | None], tuple[str, ...]]] = [
        ("dataset", lambda row: row.dataset, datasets),
        ("organ", lambda row: facts[row.dataset][0], ()),
        ("training", lambda row: facts[row.dataset][1], ROLES),
        ("target size", target_size, SIZES),
        ("number of targets", number_of_targets, NUMBERS),
        ("target", lambda row: PRESENCE[not row.target_present], PRESENCE),
    ]
    strata = []
    for kind, name_of, order in kinds:
        members: dict[str, list[ScoreRow]] = {name: [] for name in order}
        for row in queries:
            if (name := name_of(row)) is not None:
                members.setdefault(name, []).append(row)
        for name, of_stratum in members.items():
            if of_stratum:
                strata.append(Stratum(kind, name, summary_of(of_stratum, protocol, name, with_precision=False)))
    return strata


def target_size(row: ScoreRow) -> str | None:
    """One of ``SIZES``, by the share of the image that the true mask covers; ``None`` where the target is absent."""
    if not row.target_present:
        return None
    percent_pixels, area = 100 * row.true_pixels, row.image_width * row.image_height  # whole numbers: cuts are exact
    if percent_pixels < 1 * area:
        return SIZES[0]
    if percent_pixels < 5 * area:
        return SIZES[1]
    return SIZES[2] if percent_pixels <= 20 * area else SIZES[3]


def number_of_targets(row: ScoreRow) -> str | None:
    """One of ``NUMBERS``, by the instances that the row is scored against; ``None`` where the target is absent."""
    return NUMBERS[min(row.num_instances, 3) - 1] if row.target_present else None


def _facts(dataset: str, trained_on: Collection[str] | None) -> tuple[str, str]:
    """Organ and role of a dataset, unknown where it is none of the public ones and nothing else says it."""
    role = None if trained_on is None else "unseen"
    if trained_on is not None and identity(dataset) in {identity(one) for one in trained_on}:
        role = "seen"
    try:
        facts = find_dataset(dataset).facts
    except InputError:
        return UNKNOWN, role or UNKNOWN
    return facts.organ, role or facts.role
