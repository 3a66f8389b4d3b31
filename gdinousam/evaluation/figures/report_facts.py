"""What a report says before its tables: three sentences to read first, then where its numbers come from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from gdinousam.evaluation.reporting.best import lead
from gdinousam.evaluation.reporting.comparison import Compared
from gdinousam.evaluation.reporting.paper_columns import printed_average
from gdinousam.evaluation.reporting.statistics import Interval
from gdinousam.evaluation.reporting.summary import Summary, summarize
from gdinousam.evaluation.scoring.notes import withheld_remarks
from gdinousam.evaluation.scoring.results import Results
from gdinousam.folders import CONFIG_COPY
from gdinousam.yaml_files import read_yaml

_SETTINGS = ("model", "baseline", "prediction", "public_rule")  # groups of a config that shape the answers
_PARTS_SHOWN = 2  # of a path; what lies above is of no use to a reader


def opening(compared: Compared) -> list[str]:
    """Three sentences: what was tested on what, how well it did, and against what it was held.

    compared: of the strict protocol.
    """
    summaries = {method: summarize(rows, "strict")[-1] for method, rows in compared.rows.items()}
    return [_tested(compared), _how_well(compared, summaries), _against(compared, summaries)]


def _tested(compared: Compared) -> str:
    rows = next(iter(compared.rows.values()))
    num_images = len({(row.dataset, row.image_name) for row in rows})
    were = "was" if len(compared.rows) == 1 else "were"
    queries, images = _counted(len(rows), "query", "queries"), _counted(num_images, "image")
    methods, datasets = _listed(list(compared.rows)), _listed(list(compared.datasets))
    return f"{methods} {were} tested on {queries}, a phrase of an image each, in {images} of {datasets}."


def _how_well(compared: Compared, summaries: Mapping[str, Summary]) -> str:
    over = "" if len(compared.datasets) == 1 else f" over {len(compared.datasets)} datasets"
    reached = [f"{method} {_score(one)}" for method, one in summaries.items()]
    return f"Mean Dice{over}, a miss counting as 0: {'; '.join(reached)}."


def _score(one: Summary) -> str:
    if math.isnan(one.dice_percent):
        return "has no query with a target"
    interval = ""
    if not math.isnan(one.dice_low_percent):
        interval = f" (95 % interval {one.dice_low_percent:.1f} to {one.dice_high_percent:.1f})"
    recall = "" if math.isnan(one.recall_50_percent) else f", recall at box IoU 0.5 {one.recall_50_percent:.1f} %"
    return f"{one.dice_percent:.1f} %{interval}, {one.detection_percent:.1f} % answered{recall}"


def _against(compared: Compared, summaries: Mapping[str, Summary]) -> str:
    if len(compared.rows) > 1:
        ranked = sorted(summaries, key=lambda method: -_or_nothing(summaries[method].dice_percent))
        first, second = ranked[:2]
        by = lead(compared.rows[first], compared.rows[second], "dice")
        return f"They are held against one another on the same queries: {_lead_text(first, second, by)}."
    (method,) = compared.rows
    printed, _ = printed_average(compared, None, compared.datasets, method)
    if not math.isnan(printed.dice):
        return f"The paper prints a Dice of {printed.dice:.1f} % for it there, where misses are left out."
    withheld = withheld_remarks({method: compared.weights_of(method)})
    return f"It is held against no other method here. {' '.join(withheld)}".strip()


def _lead_text(first: str, second: str, by: Interval) -> str:
    if math.isnan(by.mean):
        return f"{first} and {second} have no scored query in common"
    if math.isnan(by.low):
        return f"{first} leads {second} by {100 * by.mean:.1f} points of Dice, on too few images for an interval"
    ends = f"95 % interval {100 * by.low:.1f} to {100 * by.high:.1f}"
    if by.low > 0:
        return f"{first} leads {second} by {100 * by.mean:.1f} points of Dice ({ends})"
    return f"{first} and {second} differ by {100 * by.mean:.1f} points of Dice, which may be chance ({ends})"


def _or_nothing(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def facts(results: Sequence[Results], compared: Compared) -> list[tuple[str, str]]:
    """Where the numbers come from, a line per fact: the data, and for each method its weights and settings."""
    rows = next(iter(compared.rows.values()))
    num_absent = sum(not row.target_present for row in rows)
    counts = [f"{name} {len({row.image_name for row in rows if row.dataset == name})}" for name in compared.datasets]
    said = [
        ("images", ", ".join(counts)),
        ("queries", f"{len(rows)}, a phrase of an image each; {num_absent} without a target"),
        ("test file", ", ".join(dict.fromkeys(f"sha256 {one.data_sha256[:16]}" for one in results))),
    ]
    for one in results:
        needs = ", ".join(one.needs)
        libraries = ", ".join(f"{name} {number}" for name, number in one.libraries.items())
        took = "" if one.seconds_total is None else f", {one.seconds_total:.1f} s"
        num_unsupported = sum(not row.supported for row in one.rows if row.protocol == "strict")
        took += f"; {num_unsupported} queries not supported" if num_unsupported else ""
        about = f"given {needs}; gdinousam {one.version}, {libraries}; {one.device}{took}"
        said.append((one.method, f"{about}; config sha256 {one.config_sha256[:16]}"))
        said += [(f"{one.method}: weights", " ".join(one.trace.remarks()))] if one.trace.models else []
        if settings := ", ".join(_settings(one)):
            said.append((f"{one.method}: settings", settings))
        if one.notes.trained_on is not None:
            said.append((f"{one.method}: trained on", ", ".join(one.notes.trained_on) or "no dataset"))
    return said


def _settings(results: Results) -> Iterator[str]:
    """The settings of an evaluation that shape its answers; none where its config is gone."""
    path = results.folder / CONFIG_COPY
    tree = read_yaml(path, missing="") if path.is_file() else {}
    for group in _SETTINGS:
        values = tree.get(group) if isinstance(tree, dict) else None
        for key, value in values.items() if isinstance(values, dict) else ():
            if value not in (None, {}, []):
                yield f"{group}.{key} {_short(value)}"


def _short(value: object) -> str:
    parts = PurePath(value).parts if isinstance(value, str) else ()
    return "/".join(parts[-_PARTS_SHOWN:]) if len(parts) > _PARTS_SHOWN else str(value)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _counted(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or one + 's'}"
