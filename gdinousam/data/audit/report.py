"""The outcome of an audit, as a record that JSON holds and as a text to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gdinousam.data.contract.layout import SPLITS, Part

AREA_PERCENTS = (5, 25, 50, 75, 95)
CAPTION = "images (boxes) by split, rows of absent phrases, and percent of the image that 5 to 95 % of boxes stay below"


@dataclass(frozen=True)
class Place:
    """Where an image lies."""

    split: Part
    dataset: str
    image_name: str

    def __str__(self) -> str:
        return f"{self.split}/{self.image_name}"


@dataclass(frozen=True)
class SharedName:
    """A file name that a dataset has in several splits. same_pixels: whether it is the same picture everywhere."""

    dataset: str
    image_name: str
    splits: tuple[Part, ...]
    same_pixels: bool

    def __str__(self) -> str:
        note = "" if self.same_pixels else ", but other pictures"
        return f"{self.image_name} of {self.dataset} in {', '.join(self.splits)}{note}"


@dataclass(frozen=True)
class SharedPixels:
    """A picture that is in several splits, pixel for pixel, under whatever names. places: every one of them."""

    places: tuple[Place, ...]

    def __str__(self) -> str:
        return " = ".join(str(place) for place in self.places)


@dataclass(frozen=True)
class NearPair:
    """Two pictures of two splits that are nearly the same.

    correlation: what three quarters of the patches of one reach in the other, at most 1. is_mirrored: left and right
    are swapped.
    """

    first: Place
    second: Place
    correlation: float
    is_mirrored: bool

    def __str__(self) -> str:
        mirrored = "mirrored, " if self.is_mirrored else ""
        return f"{self.first} and {self.second}, {mirrored}patches correlate by {self.correlation:.2f}"


@dataclass(frozen=True)
class SharedGroup:
    """A patient, volume or other group that a dataset has in several splits, with its images in each."""

    dataset: str
    group: str
    num_images: Mapping[Part, int]

    def __str__(self) -> str:
        held = ", ".join(f"{num} in {split}" for split, num in self.num_images.items())
        return f"{self.group} of {self.dataset}: images {held}"


@dataclass(frozen=True)
class UntrainedPhrase:
    """A phrase that a split asks for and the training images do not know. num_images: with a row of it."""

    phrase: str
    split: Part
    num_images: int

    def __str__(self) -> str:
        return f"{self.phrase}: {self.num_images} images of {self.split}"


@dataclass(frozen=True)
class Content:
    """What the splits hold of a dataset and phrase.

    phrase: ``None`` for all phrases together. num_images, num_boxes: by split; images with a box of the phrase (for all
    phrases: all images), and boxes. num_absent: rows that say that the phrase names nothing. box_areas: share of the
    image's area that a box covers, in [0, 1], by percent of boxes that cover no more; empty without boxes.
    """

    dataset: str
    phrase: str | None
    num_images: Mapping[Part, int]
    num_boxes: Mapping[Part, int]
    num_absent: int
    box_areas: Mapping[int, float]


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    num_images: by split, for the splits whose CSV is there. Leaks: shared_names, shared_pixels, near_pairs (without
    those of equal pixels), shared_groups. No leaks, but worth knowing: repeats_within and near_pairs_within: pictures
    that repeat an earlier one of their split, and pairs of near-duplicates inside one split; untrained_phrases: what is
    asked for without training; case_twins: names that differ by letter case only. unknown_patients: images of which the
    CSV does not tell the patient, so that nobody can see one in two splits.
    """

    folder: str
    num_images: Mapping[Part, int]
    contents: tuple[Content, ...]
    shared_names: tuple[SharedName, ...]
    shared_pixels: tuple[SharedPixels, ...]
    near_pairs: tuple[NearPair, ...]
    shared_groups: tuple[SharedGroup, ...]
    repeats_within: Mapping[Part, int]
    near_pairs_within: Mapping[Part, int]
    unknown_patients: Mapping[Part, int]
    untrained_phrases: tuple[UntrainedPhrase, ...]
    case_twins: tuple[tuple[str, ...], ...]

    @property
    def num_leaks(self) -> int:
        """Leaks of all kinds; a picture that leaks in several ways counts in each."""
        leaks: tuple[Sequence[object], ...] = (
            self.shared_names, self.shared_pixels, self.near_pairs, self.shared_groups,
        )  # fmt: skip
        return sum(len(kind) for kind in leaks)

    @property
    def checks_patients(self) -> bool:
        """Whether a patient in two splits would have been found; true where there are no two splits."""
        return sum(num > 0 for num in self.num_images.values()) < 2 or not any(self.unknown_patients.values())

    def as_json(self) -> dict[str, Any]:
        """The whole report in values that JSON holds."""
        return {"num_leaks": self.num_leaks, "checks_patients": self.checks_patients, **asdict(self)}


def format_report(report: AuditReport, limit: int) -> str:
    """The report as text, what could not be checked first. limit: entries shown of each kind; a line counts others."""
    held = ", ".join(f"{split} {num}" for split, num in report.num_images.items())
    missing = [split for split in SPLITS if split not in report.num_images]
    lines = _not_checked(report)
    lines += [f"{report.folder}: images in {held}" + (f"; no CSV of {', '.join(missing)}" if missing else ""), ""]
    if report.untrained_phrases:
        lines += [*_entries("WARNING, phrases that are absent from training", report.untrained_phrases, limit), ""]
    lines += _content_table(report.contents, tuple(report.num_images))
    lines += ["", f"leaks between splits: {report.num_leaks}"]
    lines += _entries("same file name", report.shared_names, limit)
    lines += _entries("same pixels", report.shared_pixels, limit)
    lines += _entries("near-duplicates", report.near_pairs, limit)
    lines += _entries("same group", report.shared_groups, limit)
    lines += ["", "no leaks, but worth knowing"]
    lines.append(f"  pictures that repeat one of their split: {_by_split(report.repeats_within)}")
    lines.append(f"  pairs of near-duplicates inside a split: {_by_split(report.near_pairs_within)}")
    lines += _entries("names that differ by letter case only", [" ".join(names) for names in report.case_twins], limit)
    return "\n".join(lines)


def _not_checked(report: AuditReport) -> list[str]:
    if report.checks_patients:
        return []
    unknown, num_images = sum(report.unknown_patients.values()), sum(report.num_images.values())
    return [
        f"patients NOT checked for {unknown} of {num_images} images ({_by_split(report.unknown_patients)}): their "
        "group is empty, or group_kind says that it is no patient",
        "",
    ]


def _content_table(contents: Iterable[Content], splits: Sequence[Part]) -> list[str]:
    cells = [["dataset", "phrase", *splits, "absent", *(f"{percent} %" for percent in AREA_PERCENTS)]]
    for content in contents:
        counts = [f"{content.num_images[split]} ({content.num_boxes[split]})" for split in splits]
        areas = [f"{100 * content.box_areas[percent]:.2f}" if content.box_areas else "-" for percent in AREA_PERCENTS]
        phrase = "(all)" if content.phrase is None else content.phrase
        cells.append([content.dataset, phrase, *counts, str(content.num_absent), *areas])
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [CAPTION] + [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _entries(kind: str, entries: Sequence[object], limit: int) -> list[str]:
    lines = [f"  {kind}: {len(entries)}", *(f"    {entry}" for entry in entries[:limit])]
    return [*lines, f"    ... and {len(entries) - limit} more"] if len(entries) > limit else lines


def _by_split(counts: Mapping[Part, int]) -> str:
    return ", ".join(f"{split} {num}" for split, num in counts.items())
