"""What a preparation did: found, expected, written, left out and why, as a table and as a file beside the data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gdinousam import __version__
from gdinousam.data.contract.layout import PARTS, SPLITS, SUPPORT, Part
from gdinousam.data.sources.public.interface import DatasetFacts

SplitMode = Literal["grouped", "paper"]
Vocabulary = Literal["qualified", "paper"]
NUM_NAMED = 5  # names that the table shows of those left out for one reason


@dataclass(frozen=True)
class Options:
    """How a dataset is prepared.

    split: ``grouped`` keeps patients, volumes and near-duplicates in one split, ``paper`` follows the published rule.
    vocabulary: whose phrases are written; ``None``: the paper's with its split, else those that name the organ.
    negatives: also images without any target, with rows that say so. skip_bad: leave out what cannot be read.
    support: images of a dataset that is only tested to set aside as examples, by whole groups; 0: none.
    """

    split: SplitMode = "grouped"
    vocabulary: Vocabulary | None = None
    negatives: bool = False
    skip_bad: bool = False
    support: int = 0

    @property
    def written_vocabulary(self) -> Vocabulary:
        return self.vocabulary or ("paper" if self.split == "paper" else "qualified")


@dataclass(frozen=True)
class Written:
    """Size of a split or the support set. counted: as table 1 of the paper counts it, ``None`` in a grouped split."""

    num_images: int
    num_rows: int
    num_groups: int
    counted: int | None = None


@dataclass(frozen=True)
class Report:
    """The outcome for one dataset.

    found: cases in the release by label. written: by split. left_out: (name, reason) of what is not in any split.
    moved: (image, reason) of those that are not in the release's own split. remarks: how many images were fixed in
    which way. split_hash: SHA-256 of the list of members. files: what was written, relative to the output folder.
    """

    facts: DatasetFacts
    options: Options
    found: Mapping[str, int]
    written: Mapping[Part, Written]
    left_out: Sequence[tuple[str, str]]
    moved: Sequence[tuple[str, str]]
    remarks: Mapping[str, int]
    split_hash: str
    files: Sequence[str]

    def text(self) -> str:
        """The table for a terminal."""
        lines = [f"{self.facts.name}: {self.options.split} split, sha256 {self.split_hash[:12]}", ""]
        lines += self._cases() + [""] + self._splits()
        if self.left_out:
            lines += ["", "left out"] + _counted_reasons(self.left_out)
        if self.moved:
            lines += ["", "not in the split of the release"] + _counted_reasons(self.moved)
        if self.remarks:
            lines += ["", "fixed"] + [f"{number:>8}  {remark}" for remark, number in self.remarks.items()]
        return "\n".join(lines)

    def json(self) -> str:
        """The same, whole, for a file that is the same whenever the same release is prepared in the same way."""
        content = {
            "dataset": self.facts.name,
            "homepage": self.facts.homepage,
            "licence": self.facts.licence,
            "gdinousam": __version__,
            "split": self.options.split,
            "vocabulary": self.options.written_vocabulary,
            "negatives": self.options.negatives,
            **({"support": self.options.support} if self.options.support else {}),
            "split_sha256": self.split_hash,
            "found": dict(self.found),
            "expected": dict(self.facts.expected),
            "written": {part: vars(self.written[part]) for part in self._parts},
            "table_1": dict(zip(SPLITS, self.facts.paper_counts, strict=True)),
            "left_out": [list(pair) for pair in self.left_out],
            "moved": [list(pair) for pair in self.moved],
            "remarks": dict(self.remarks),
            "files": sorted(self.files),
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def _cases(self) -> list[str]:
        labels = [*self.facts.expected, *(label for label in self.found if label not in self.facts.expected)]
        width = max(map(len, [*labels, "cases"]))
        lines = [f"{'cases':<{width}}  {'found':>8}  {'expected':>8}"]
        for label in labels:
            expected = self.facts.expected.get(label)
            lines.append(f"{label:<{width}}  {self.found.get(label, 0):>8}  {'-' if expected is None else expected:>8}")
        return lines

    def _splits(self) -> list[str]:
        counted = self.options.split == "paper"
        lines = ["written    images      rows    groups" + ("   counted   table 1" if counted else "")]
        for split, table_1 in zip(SPLITS, self.facts.paper_counts, strict=True):
            size = self.written[split]
            line = f"{split:<7}  {size.num_images:>8}  {size.num_rows:>8}  {size.num_groups:>8}"
            lines.append(line + (f"  {size.counted:>8}  {table_1:>8}" if counted else ""))
        if SUPPORT in self._parts:
            size = self.written[SUPPORT]
            lines.append(f"{SUPPORT:<7}  {size.num_images:>8}  {size.num_rows:>8}  {size.num_groups:>8}")
        return lines

    @property
    def _parts(self) -> tuple[Part, ...]:
        """What was written, the support set only where one was asked for."""
        return PARTS if self.options.support else SPLITS


def _counted_reasons(named: Sequence[tuple[str, str]]) -> list[str]:
    names_of: dict[str, list[str]] = {}
    for name, reason in named:
        names_of.setdefault(reason, []).append(name)
    lines = []
    for reason, names in names_of.items():
        more = ", ..." if len(names) > NUM_NAMED else ""
        lines.append(f"{len(names):>8}  {reason}: {', '.join(names[:NUM_NAMED])}{more}")
    return lines


def count_remarks(remarks_of_images: Sequence[Sequence[str]]) -> dict[str, int]:
    """How many images carry each remark, the most frequent first."""
    counts = Counter(remark for remarks in remarks_of_images for remark in remarks)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
