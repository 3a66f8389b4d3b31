"""TG3K (Gong 2022): frames of 16 thyroid videos with the outline of the gland.

The paper calls the gland a "thyroid tumor"; the other phrase names what the masks show. The release tells no video
numbers, but frames are numbered video by video and nearly every video has a frame size of its own. Its own split,
``tg3k-trainval.json``, cuts inside a video and is therefore left aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gdinousam.data.images import image_size
from gdinousam.data.sources.public.interface import DatasetFacts, RawCase
from gdinousam.data.sources.public.thyroid_pairs import ThyroidPairs


class Tg3k(ThyroidPairs):
    facts = DatasetFacts(
        name="TG3K",
        tag="tg3k",
        organ="thyroid",
        role="seen",
        homepage="https://github.com/haifangong/TRFE-Net-for-thyroid-nodule-segmentation",
        licence="public, terms not stated; cite the paper",
        phrases={"thyroid tumor": "thyroid gland"},
        expected={"thyroid tumor": 3585},
        paper_counts=(2497, 713, 355),
    )
    signature = ("thyroid-image/*.jpg", "thyroid-mask")
    area_floor = 500

    def cases(self, root: Path) -> list[RawCase]:
        """The frames in numeric order; the group of each is its run of frames of one size.

        The head of each picture is read for its size, so that a file that is not a picture raises ``InputError`` here.
        """
        pairs = self.pairs(root, "thyroid-image", "thyroid-mask", ".jpg")
        runs = _runs_of_one_size(image for image, _ in pairs)
        return [
            RawCase(image.stem, self.phrase, image, (mask,), run, "video")
            for (image, mask), run in zip(pairs, runs, strict=True)
        ]


def _runs_of_one_size(images: Iterable[Path]) -> Iterator[str]:
    """For each frame the name of its run, which is that of the run's first frame.

    Two videos of one size that follow each other become one run, which keeps the split clean.
    """
    size, run = None, ""
    for image in images:
        found = image_size(image)
        if found != size:
            size, run = found, f"run_{image.stem}"
        yield run
