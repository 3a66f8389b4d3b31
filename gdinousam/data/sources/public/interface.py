"""What a public dataset is to the preparer: its facts, the cases of a release, and the pictures that a case holds.

``PublicDataset.cases`` lists a release without opening a picture, ``PublicDataset.read`` opens one case. The release is
the unpacked download as its authors ship it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from gdinousam.data.contract.layout import Split
from gdinousam.records import Image, Mask

GroupKind = Literal["patient", "subject", "volume", "video", "duplicate cluster", "image"]

NORMAL = "normal"  # label of cases in which none of the dataset's phrases names anything


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a dataset before it is opened.

    name: as printed in table 1 of the paper. aliases: other spellings. tag: value of the CSV's ``dataset`` column and
    prefix of file names, as in the paper's scripts. organ: one word or two. role: ``unseen`` datasets are for testing
    only. homepage, licence: where the release lies and what its terms are, as far as known.
    phrases: the paper's phrases, each with the one that names organ and finding (the same where the paper's does).
    expected: number of cases of the full release by ``RawCase.label``.
    paper_counts: images in train, val and test in table 1. class_order: phrases whose rows the paper's script shuffles
    one after the other; empty: all rows together.
    """

    name: str
    tag: str
    organ: str
    role: Literal["seen", "unseen"]
    homepage: str
    licence: str
    phrases: Mapping[str, str]
    expected: Mapping[str, int]
    paper_counts: tuple[int, int, int]
    aliases: tuple[str, ...] = ()
    class_order: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawCase:
    """One entry of a release, not opened yet: an image with its masks, or a volume with its labels.

    name: what makes it unique within the release (class or split folder and file), without the dataset's tag; the
    written files are named after it. label: what it counts as, a key of ``DatasetFacts.expected``. image, masks: its
    files; there may be no mask. group: the finest known unit that must not be in two splits; ``group_kind`` says what
    it is, ``image`` where the release tells nothing. official_split: the split of the release itself, if it has one
    that is free of leaks.
    """

    name: str
    label: str
    image: Path
    masks: tuple[Path, ...]
    group: str
    group_kind: GroupKind
    official_split: Split | None = None


@dataclass(frozen=True, eq=False)
class RawInstance:
    """One object. phrase: the paper's, a key of ``DatasetFacts.phrases``. mask_hw: (H, W) bool, not empty."""

    phrase: str
    mask_hw: Mask


@dataclass(frozen=True)
class PaperRow:
    """One row that the paper's script makes of an image (section 2.3 and 4 of its preparation scripts).

    phrase: the phrase of that row, right or wrong. counts_as: the file name under which table 1 counts it; rows of
    equal name within a split count once, ``None`` does not count.
    """

    phrase: str
    counts_as: str | None


@dataclass(frozen=True, eq=False)
class RawImage:
    """One picture of a case with its objects.

    name: as ``RawCase.name``; pictures of one volume add their slice. image: (H, W, 3) uint8 RGB in [0, 255].
    instances: its objects, each mask as large as the image; empty in a normal image and where the mask holds nothing.
    paper_rows: the rows that the paper's script makes of it, in its order. remarks: what was fixed or dropped, in the
    same words for every image so that they can be counted ("mask resized to the image").
    """

    name: str
    image: Image
    instances: tuple[RawInstance, ...]
    paper_rows: tuple[PaperRow, ...] = ()
    remarks: tuple[str, ...] = field(default=())


class PublicDataset(ABC):
    """A public dataset in the layout of its release.

    signature: glob patterns below the root of the unpacked release. A folder in which every one of them matches
    something is taken for this dataset, so together they must fit no other.
    """

    facts: ClassVar[DatasetFacts]
    signature: ClassVar[tuple[str, ...]]

    @abstractmethod
    def cases(self, root: Path) -> list[RawCase]:
        """Every case of the release at ``root``, in the order of the paper's script.

        Where that script walks a table it is the table's order, else natural order (``pairing.natural_key``), because
        the order of a directory cannot be known. No picture is opened. Raises ``InputError`` that names what is missing
        where files of the release lack their partner, and where a table does not have the columns it should have.
        """

    @abstractmethod
    def read(self, case: RawCase) -> Iterator[RawImage]:
        """Open a case: one picture, or the slices of a volume that hold an object, one after the other.

        Raises ``InputError`` naming the file for one that does not decode, for a mask that is no pure scaling of its
        image, and for values or colours that the release should not hold.
        """
