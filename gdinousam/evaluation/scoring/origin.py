"""What a results folder says of itself: the config, the data and the method that its rows come from.

Written when an evaluation begins, completed when it ends, and held against the new one when it is resumed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gdinousam import __version__
from gdinousam.data.contract.noted_files import note_files, require_noted_files
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.notes import NO_NOTES, Notes
from gdinousam.evaluation.scoring.parts import part_paths
from gdinousam.evaluation.scoring.results import (
    DATA_NAME,
    METHOD_NAME,
    REFERENCE,
    ROWS_NAME,
    WEIGHTS,
    read_note,
)
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.evaluation.scoring.trace import MODELS, NO_TRACE, Trace
from gdinousam.files import write_json, write_text
from gdinousam.folders import CONFIG_COPY
from gdinousam.records import ImageRecord, Need, WeightsKind
from gdinousam.yaml_files import parse_yaml, read_yaml

_PART = "test"  # of the data, in files.json
# A resumed run may differ in these: where the folder lies, and what changes the speed, memory and at most last digits.
_FREE_KEYS = {
    "data.allow_odd",
    "data.batch_size",
    "data.num_workers",
    "prediction.batch_size",
    "evaluation.output_dir",
    "evaluation.num_pictures",
}


def about_method(
    name: str,
    needs: frozenset[Need],
    libraries: Sequence[str],
    device: str,
    precision: str,
    notes: Notes = NO_NOTES,
    weights: WeightsKind = "unknown",
    is_reference: bool = False,
    trace: Trace = NO_TRACE,
) -> dict[str, Any]:
    """What ``method.json`` says from the start.

    name: of the method, without what ``method_name`` adds. libraries: distributions whose versions matter. device: that
    the method runs on. precision: number type of its matrix products. weights: what they are, for name and notes.
    is_reference: it is shown what methods have to find, so it does not compete with them. trace: to its weights.
    """
    return {
        "method": name,
        "needs": sorted(needs),
        "gdinousam": __version__,
        "libraries": {library: version(library) for library in libraries},
        "device": device,
        "precision": precision,
        WEIGHTS: weights,
        REFERENCE: is_reference,
        **notes.to_json(),
        **trace.to_json(),
    }


def write_origin(
    folder: Path,
    config_text: str,
    data_print: Mapping[str, Any],
    about: Mapping[str, Any],
    records: Sequence[ImageRecord] = (),
) -> None:
    """Write ``config.yaml``, ``data.json``, ``files.json`` and ``method.json`` into an existing folder, in this order.

    config_text: YAML. data_print: of ``data.fingerprint``. about: of ``about_method``. records: whose files are noted.
    """
    write_text(folder / CONFIG_COPY, config_text)
    write_json(folder / DATA_NAME, data_print)
    note_files(folder, {_PART: records})
    write_json(folder / METHOD_NAME, about)


def is_cut_off(folder: Path) -> bool:
    """Whether a program was killed there within ``write_origin``, so that nothing is scored and all can be written."""
    has_rows = bool(part_paths(folder)) or (folder / ROWS_NAME).exists()
    return (folder / CONFIG_COPY).is_file() and not (folder / METHOD_NAME).exists() and not has_rows


def complete_origin(folder: Path, rows: Sequence[ScoreRow]) -> None:
    """Add to ``method.json`` what is known at the end: number of rows, time of the method, hash of the config."""
    seconds = [row.seconds for row in rows if row.protocol == "strict" and not math.isnan(row.seconds)]
    ending = {
        "config_sha256": hashlib.sha256((folder / CONFIG_COPY).read_bytes()).hexdigest(),
        "seconds_total": math.fsum(seconds) if seconds else None,
        "num_rows": len(rows),
    }
    write_json(folder / METHOD_NAME, read_note(folder / METHOD_NAME) | ending)


def require_same_origin(
    folder: Path,
    config_text: str,
    data_print: Mapping[str, Any],
    about: Mapping[str, Any],
    records: Sequence[ImageRecord] = (),
) -> None:
    """Raise InputError unless the folder holds a run of this config, data and method, which can be gone on with.

    about: only what it holds is compared, weights by their hash. records: whose files must be those that were noted.
    """
    if not (folder / CONFIG_COPY).is_file():
        raise InputError(f"{folder}: holds no evaluation to go on with; start it without --resume")
    earlier_about, about = _by_part(read_note(folder / METHOD_NAME)), _by_part(about)
    differing = [
        *changed_settings(_copy_of(folder), config_text, _FREE_KEYS),
        *_differences(read_note(folder / DATA_NAME), json.loads(json.dumps(data_print)), DATA_NAME),
        *_differences({key: earlier_about.get(key) for key in about}, about, METHOD_NAME),
    ]
    if differing:
        raise InputError(
            f"{folder}: the evaluation there was begun with something else ({', '.join(differing)}), so its rows and "
            "new ones would not belong together; undo the change, or start again with --overwrite"
        )
    require_noted_files(folder, {_PART: records}, "start again with --overwrite")


def changed_settings(earlier: Any, config_text: str, free: Collection[str]) -> list[str]:
    """What a config sets otherwise than the copy in a run's folder, each as "key in config.yaml".

    earlier: content of the copy; ``None`` where it cannot be read, so that everything differs. config_text: YAML. free:
    dotted keys that may differ.
    """
    now = dict(_flat(parse_yaml(config_text, CONFIG_COPY)))
    return _differences(dict(_flat(earlier)), now, CONFIG_COPY, free)


def _copy_of(folder: Path) -> Any:
    try:
        return read_yaml(folder / CONFIG_COPY, missing="")
    except InputError:
        return None


def _by_part(about: Mapping[str, Any]) -> dict[str, Any]:
    """``method.json`` with the weights of each part as an entry of its own, so that a message can name them."""
    models = about.get(MODELS)
    by_part = {f"weights of the {part}": one for part, one in models.items()} if isinstance(models, dict) else {}
    return {key: value for key, value in about.items() if key != MODELS} | by_part


def _differences(
    earlier: Mapping[str, Any], now: Mapping[str, Any], file: str, free: Collection[str] = ()
) -> list[str]:
    keys = [key for key in {**now, **earlier} if key not in free]
    return [f"{key} in {file}" for key in keys if earlier.get(key) != now.get(key)]


def _flat(tree: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """The settings of a config by their dotted keys."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, tree
