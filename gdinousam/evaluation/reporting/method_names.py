"""How a method is called in tables and figures, so that nobody takes random or small weights for the published ones."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gdinousam.records import WeightsKind

# Kinds whose numbers are not those of the model that a method is called after, and what has to be said below them.
_REMARKS: Mapping[WeightsKind, str] = {
    "random": "Weights are random: the numbers mean nothing.",
    "small": "Weights are of a small model, not the published ones of full size.",
}


def method_name(name: str, weights: WeightsKind) -> str:
    """The name with "(random)" or "(small)" behind it where the weights are, unless it says so in brackets itself.

    >>> method_name("GroundingDINO+SAM2", "small"), method_name("ours (small, tuned)", "small")
    ('GroundingDINO+SAM2 (small)', 'ours (small, tuned)')
    """
    if weights not in _REMARKS or re.search(rf"\([^()]*\b{weights}\b[^()]*\)", name, re.IGNORECASE):
        return name
    return f"{name} ({weights})"


def weights_remarks(weights: WeightsKind) -> tuple[str, ...]:
    """What every table and figure with these numbers says of the weights; nothing for those of a published size."""
    return (_REMARKS[weights],) if weights in _REMARKS else ()


def beside_paper(weights: WeightsKind) -> bool:
    """Whether numbers of the paper, which are of published weights of full size, may stand beside these."""
    return weights not in _REMARKS


def withheld_remarks(weights_of: Mapping[str, WeightsKind]) -> list[str]:
    """Why numbers of the paper are missing beside some of the methods of a table, or all; empty where they are not."""
    others = [method for method, weights in weights_of.items() if not beside_paper(weights)]
    if not others:
        return []
    where = "here" if len(others) == len(weights_of) else f"beside {', '.join(others)}"
    return [f"The paper's numbers are of published weights of full size, so none stands {where}."]


def may_be_best(weights: WeightsKind, is_reference: bool) -> bool:
    """Whether a method takes part in the contest for the best: no reference does, and no random weights do."""
    return not is_reference and weights != "random"
