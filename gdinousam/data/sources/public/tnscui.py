"""What the paper calls TNSCUI: crops of the open DDTI set (Pedraza 2015), none of the TN-SCUI 2020 challenge.

The winners of that challenge published DDTI as they had prepared it, and the paper takes its second stage: a square
round the outlined nodule, stretched to 512 x 512. The nodule is always large and in the middle, so a result says little
about finding one. The case numbers of DDTI were lost in that release.
"""

from __future__ import annotations

from pathlib import Path

from gdinousam.data.sources.public.interface import DatasetFacts, RawCase
from gdinousam.data.sources.public.thyroid_pairs import ThyroidPairs

STAGE = "2_preprocessed_data/stage2"


class Tnscui(ThyroidPairs):
    facts = DatasetFacts(
        name="TNSCUI",
        aliases=("DDTI stage2", "ddti_stage2"),
        tag="tnscui",
        organ="thyroid",
        role="unseen",
        homepage="https://github.com/WAMAWAMA/TNSCUI2020-Seg-Rank1st",
        licence="public (DDTI); cite Pedraza 2015",
        phrases={"thyroid nodule": "thyroid nodule"},
        expected={"thyroid nodule": 637},
        paper_counts=(0, 0, 637),
    )
    signature = (f"{STAGE}/p_image", f"{STAGE}/p_mask")
    area_floor = 500

    def cases(self, root: Path) -> list[RawCase]:
        """The crops around the nodules; the original images beside them are another set and are left aside."""
        pairs = self.pairs(root, f"{STAGE}/p_image", f"{STAGE}/p_mask", ".PNG")
        return [RawCase(image.stem, self.phrase, image, (mask,), image.stem, "image") for image, mask in pairs]
