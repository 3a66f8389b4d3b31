"""Which cases to show: by a rule that anybody can repeat, or by a list."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.rows import ScoreRow

Rule = Literal["median", "best", "worst"]
RULES: tuple[Rule, ...] = get_args(Rule)


def choose(rows: Sequence[ScoreRow], rule: Rule, count: int = 1) -> list[int]:
    """Positions of the rows that a rule picks, by Dice; those that have none are left aside.

    worst and best: from the extreme on. median: the lower median, then its neighbours in turn, the lower one first.
    Equal Dice: in the order of image names, then phrases. Fewer rows than count: all of them; none: an empty list.
    """
    scored = [place for place, row in enumerate(rows) if not math.isnan(row.dice)]
    scored.sort(key=lambda place: (rows[place].dice, rows[place].image_name, rows[place].phrase))
    if rule == "best":
        scored.reverse()
    elif rule == "median":
        middle = (len(scored) - 1) / 2
        by_distance = sorted(range(len(scored)), key=lambda rank: (abs(rank - middle), rank))
        scored = [scored[rank] for rank in by_distance]
    return scored[:count]


def choose_per_dataset(rows: Sequence[ScoreRow], datasets: Sequence[str], rule: Rule, count: int = 1) -> list[int]:
    """Positions of the rows that a rule picks in each dataset, dataset by dataset in the order given."""
    chosen = []
    for dataset in datasets:
        of_dataset = [place for place, row in enumerate(rows) if row.dataset == dataset]
        chosen += [of_dataset[place] for place in choose([rows[place] for place in of_dataset], rule, count)]
    return chosen


def choose_listed(rows: Sequence[ScoreRow], names: Sequence[str]) -> list[int]:
    """Positions of the rows of the named images, in the order of the names; an image has one for each of its phrases.

    Raises InputError for a name that no row has.
    """
    of_image: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        of_image.setdefault(row.image_name, []).append(place)
    for name in names:
        if name not in of_image:
            near = difflib.get_close_matches(name, of_image, n=1)
            raise InputError(f"{name}: no image of these results{f'; did you mean {near[0]}?' if near else ''}")
    return [place for name in names for place in of_image[name]]


def chooser(text: str, count: int = 1) -> Callable[[Sequence[ScoreRow], Sequence[str]], list[int]]:
    """How to choose, from the command line's text: a rule, or the path of a file with one image name per line."""
    if text in RULES:
        return lambda rows, datasets: choose_per_dataset(rows, datasets, text, count)
    names = _read_names(Path(text))
    return lambda rows, datasets: [place for place in choose_listed(rows, names) if rows[place].dataset in datasets]


def _read_names(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"{path}: neither {', '.join(RULES)} nor a file with one image name per line")
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as a plain list of names") from error
    if not names:
        raise InputError(f"{path}: no image name in it; write one per line")
    return list(dict.fromkeys(names))
