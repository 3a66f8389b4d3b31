"""A folder of mask files as answers: one file per image and phrase, or per image.

The files lie in the folder itself, or, as the paper's study stores them, in a folder for each dataset, named as in the
CSV. Formats may be mixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gdinousam.data.contract.unchanged import state_of, unchanged
from gdinousam.data.images import image_size, read_mask_file
from gdinousam.data.sources.medical.nifti import Volume, open_volume
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.kept import mask_stems, require_distinct
from gdinousam.methods.saved_masks.answers import SavedAnswer, SizeHW, listed
from gdinousam.methods.saved_masks.arrays import array_size, foreground, read_array_mask
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.records import ImageRecord, Mask

PICTURE = ".png"
ARRAYS = (".npy", ".npz")
NIFTI = (".nii", ".nii.gz")
ENDINGS = (PICTURE, *ARRAYS, *NIFTI)


def mask_ending(name: str) -> str | None:
    """The ending of a file name that makes it a mask, in lower case; ``None``: it has none of them."""
    return next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)


def mask_size(path: Path, settings: SavedMasksSettings) -> SizeHW:
    """(height, width) of a mask file; InputError for one that is missing, damaged or no mask."""
    ending = mask_ending(path.name)
    if ending in ARRAYS:
        return array_size(path, settings.array)
    if ending in NIFTI:
        width, height = _open_plane(path).shape[:2]
        return height, width
    width, height = image_size(path)
    return height, width


def read_mask(path: Path, settings: SavedMasksSettings) -> Mask:
    """The (H, W) bool mask of a file, as it is stored.

    Of a picture see ``gdinousam.data.masks``, of arrays and NIfTI ``arrays.foreground``.
    Raises InputError naming the file.
    """
    ending = mask_ending(path.name)
    if ending in ARRAYS:
        return read_array_mask(path, settings.array, settings.threshold)
    if ending in NIFTI:
        (plane,) = _open_plane(path).planes()
        return foreground(plane.swapaxes(0, 1), settings.threshold, path)
    return read_mask_file(path).foreground


def _open_plane(path: Path) -> Volume:
    volume = open_volume(path)
    if volume.is_colour or volume.num_planes != 1:
        found = "colours" if volume.is_colour else f"{volume.num_planes} planes"
        raise InputError(f"{path}: holds {found}, not the mask of one image; save one plane of numbers per image")
    return volume


# Other pictures are not masks here, but somebody may take them for some.
_OTHER_PICTURES = {".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp"}


@dataclass(frozen=True)
class _Wanted:
    """A mask that the test file asks for. stem: its path below the folder without ending. phrases: that it answers."""

    record: ImageRecord
    stem: str
    phrases: tuple[str, ...]


class MaskFolder:
    """See ``SavedAnswers``.

    Raises InputError for a folder that is not there and where two images would have a mask of one name.
    """

    wanted = (
        "One mask per image and phrase is needed, black where nothing was found: STEM.png (or .npy, .npz, .nii, "
        ".nii.gz) where the image has one phrase, else STEM.SLUG.png; or DATASET/STEM.npz as the paper's study stores "
        "them. saved_masks.missing, unknown and resize say what else is allowed (docs/predictions.md)"
    )

    def __init__(self, path: Path, records: Sequence[ImageRecord], settings: SavedMasksSettings) -> None:
        if not path.is_dir():
            raise InputError(f"{path}: no such folder; give the folder of the masks to score")
        self.path = path
        self._settings = settings
        datasets = dict.fromkeys(record.dataset for record in records if record.dataset)
        folders = [name for name in datasets if (path / name).is_dir()]
        self.empty_is_answer = bool(folders)
        wanted = [one for record in records for one in self._of_image(record, bool(folders))]
        require_distinct((one.record, one.stem) for one in wanted)
        there, others = _files_by_stem(path, folders)
        self.num_wanted = len(wanted)
        self.missing, unknown, self.wrong = _problems(wanted, there)
        self.unknown = sorted([*unknown, *others])
        self.remarks = self._remarks(records)
        self._found: dict[Path, dict[str, tuple[str, ...]]] = {}  # by image: the phrases that each file answers
        for one in wanted:
            for name in there.get(one.stem, [])[:1]:
                self._found.setdefault(one.record.path, {})[name] = one.phrases
        self._states = {name: state_of(path / name) for names in self._found.values() for name in names}

    def sizes(self, record: ImageRecord) -> dict[str, SizeHW]:
        """See ``SavedAnswers``; reads the head of every file."""
        return {name: mask_size(self.path / name, self._settings) for name in self._found.get(record.path, {})}

    def read(self, record: ImageRecord) -> list[SavedAnswer]:
        """See ``SavedAnswers``; InputError too for a mask that has changed since the folder was looked through."""
        answers = []
        for name, phrases in self._found.get(record.path, {}).items():
            with unchanged(self.path / name, self._states[name]):
                mask_hw = read_mask(self.path / name, self._settings)
            answers += [SavedAnswer(phrase, mask_hw) for phrase in phrases]
        return answers

    def _of_image(self, record: ImageRecord, in_datasets: bool) -> Iterator[_Wanted]:
        folder = f"{record.dataset}/" if in_datasets else ""
        if self._settings.one_mask_answers is None:
            for phrase, stem in mask_stems(record).items():
                yield _Wanted(record, folder + stem, (phrase,))
            return
        is_last = self._settings.one_mask_answers == "last"
        yield _Wanted(record, folder + record.path.stem, (record.last_phrase,) if is_last else record.phrases)

    def _remarks(self, records: Sequence[ImageRecord]) -> list[str]:
        num_several = sum(len(record.phrases) > 1 for record in records)
        if self._settings.one_mask_answers != "all" or not num_several:
            return []
        return [
            f"There is one mask per image: where an image has several phrases ({num_several}), it answers each of them."
        ]


def _files_by_stem(path: Path, folders: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Masks in a folder and in some of its folders by their path below it without ending, and the other pictures."""
    there: dict[str, list[str]] = {}
    others = []
    for prefix in ["", *(f"{folder}/" for folder in folders)]:
        for file in sorted((path / prefix).iterdir()):
            ending = mask_ending(file.name)
            if file.name.startswith(".") or not file.is_file():
                continue
            if ending is not None:
                there.setdefault(prefix + file.name[: -len(ending)], []).append(prefix + file.name)
            elif file.suffix.lower() in _OTHER_PICTURES:
                others.append(prefix + file.name)
    return there, others


def _problems(wanted: Sequence[_Wanted], there: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str], list[str]]:
    """Names of masks that are missing, and of files that nobody asks for; and texts of what nothing allows."""
    shared: dict[str, str] = {}  # masks of an image that has several phrases, by their stem
    missing = []
    for one in wanted:
        folder = one.stem.rpartition("/")[0]
        of_image = f"{folder}/{one.record.path.stem}" if folder else one.record.path.stem
        if one.stem in there:
            continue
        if len(one.record.phrases) > 1 and of_image in there:
            phrases = ", ".join(map(repr, one.record.phrases))
            shared[of_image] = f"{there[of_image][0]} ({phrases})"
        else:
            missing.append(one.stem + _usual_ending(there))
    stems = {one.stem for one in wanted}
    unknown = [name for stem, names in there.items() if stem not in stems and stem not in shared for name in names]
    doubled = [name for stem in stems for name in there.get(stem, []) if len(there[stem]) > 1]
    wrong = [
        listed(
            list(shared.values()),
            "with one mask for several phrases (which does it answer: saved_masks.one_mask_answers)",
        ),
        listed(sorted(doubled), "of one mask in several formats"),
    ]
    return missing, unknown, [text for text in wrong if text]


def _usual_ending(there: Mapping[str, Sequence[str]]) -> str:
    """That of all masks, if they have one; else that of a picture."""
    endings = {mask_ending(name) or PICTURE for names in there.values() for name in names}
    return endings.pop() if len(endings) == 1 else PICTURE
