"""Mask files of every format hold the same mask, and what is not a mask is refused in one line."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest

from gdinousam.errors import InputError
from gdinousam.methods.saved_masks.folder import mask_ending, mask_size, read_mask
from gdinousam.methods.saved_masks.settings import SavedMasksSettings

# 2 rows of 3 pixels, so that axes cannot be mixed up unnoticed
MASK_HW = np.array([[True, False, False], [True, True, False]])
SCORES_HW = np.array([[0.5, 0.49, 0.0], [0.9, 1.0, -3.0]])  # the same mask, 0.5 belonging to it
AS_SET = SavedMasksSettings()


def save_nifti(path: Path, values_xy: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(values_xy, np.eye(4) if affine is None else affine), path)
    return path


def save_npy(path: Path, values: np.ndarray) -> Path:
    with path.open("wb") as file:
        np.save(file, values, allow_pickle=True)
    return path


def refusal(path: Path, settings: SavedMasksSettings = AS_SET) -> str:
    """What size or, where that is fine, content of a file is refused with."""
    with pytest.raises(InputError) as caught:
        mask_size(path, settings)
        read_mask(path, settings)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "values",
    [
        MASK_HW,
        MASK_HW.astype(np.uint8) * 255,
        MASK_HW.astype(np.int64) * 3,
        SCORES_HW,
        SCORES_HW.astype(np.float32),
        np.asfortranarray(SCORES_HW.astype(np.float16)),
        SCORES_HW.astype(">f8"),
    ],
    ids=lambda values: str(values.dtype),
)
def test_arrays_of_every_number_type_hold_the_mask(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "b.npz", values)
    np.savez_compressed(tmp_path / "c.npz", anything=values)
    for name in ("a.npy", "b.npz", "c.npz"):
        assert mask_size(tmp_path / name, AS_SET) == (2, 3)
        assert read_mask(tmp_path / name, AS_SET).tolist() == MASK_HW.tolist()


@pytest.mark.parametrize("name", ["logits", "arr", "prediction"])
def test_beside_other_arrays_that_of_the_study_is_taken(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "a.npz", **{name: SCORES_HW, "spacing": np.ones(2)})
    assert mask_size(tmp_path / "a.npz", AS_SET) == (2, 3)
    assert read_mask(tmp_path / "a.npz", AS_SET).tolist() == MASK_HW.tolist()


def test_of_several_arrays_the_named_one_is_taken(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", first=~MASK_HW, second=MASK_HW)
    assert refusal(tmp_path / "a.npz") == (
        "holds the arrays first, second; name the one that is meant in saved_masks.array"
    )
    assert read_mask(tmp_path / "a.npz", SavedMasksSettings(array="second")).tolist() == MASK_HW.tolist()
    assert "none of the name third" in refusal(tmp_path / "a.npz", SavedMasksSettings(array="third"))


def test_two_arrays_with_names_of_the_study_are_not_chosen_between(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", arr=MASK_HW, logits=SCORES_HW)
    assert "holds the arrays arr, logits; name the one" in refusal(tmp_path / "a.npz")


def test_another_threshold_moves_the_border_of_scores_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "scores.npy", SCORES_HW)
    np.save(tmp_path / "mask.npy", MASK_HW.astype(np.uint8))
    settings = SavedMasksSettings(threshold=0.95)
    assert read_mask(tmp_path / "scores.npy", settings).tolist() == [[False] * 3, [False, True, False]]
    assert read_mask(tmp_path / "mask.npy", settings).tolist() == MASK_HW.tolist()


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axes", [(), (1,), (1, 1)], ids=["plane", "volume", "series"])
def test_nifti_has_its_first_axis_across_whatever_its_orientation(
    tmp_path: Path, ending: str, axes: tuple[int, ...]
) -> None:
    values_xy = MASK_HW.T.astype(np.uint8).reshape(3, 2, *axes)
    path = save_nifti(tmp_path / f"a{ending}", values_xy, affine=np.diag([-1.0, -1.0, 2.0, 1.0]))
    assert mask_size(path, AS_SET) == (2, 3)
    assert read_mask(path, AS_SET).tolist() == MASK_HW.tolist()


def test_nifti_scores_are_cut_at_the_threshold(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii.gz", SCORES_HW.T.astype(np.float32))
    assert read_mask(path, AS_SET).tolist() == MASK_HW.tolist()


def test_a_nifti_volume_or_picture_of_colours_is_no_mask_of_an_image(tmp_path: Path) -> None:
    assert "holds 4 planes" in refusal(save_nifti(tmp_path / "a.nii", np.zeros((3, 2, 4), np.uint8)))
    colours = np.zeros((3, 2, 1), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "holds colours" in refusal(save_nifti(tmp_path / "b.nii", colours))


def test_pictures_are_read_as_before(tmp_path: Path) -> None:
    PIL.Image.fromarray(MASK_HW.astype(np.uint8)).save(tmp_path / "a.png")
    assert mask_size(tmp_path / "a.png", AS_SET) == (2, 3)
    assert read_mask(tmp_path / "a.png", AS_SET).tolist() == MASK_HW.tolist()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((1, 2, 3)), "an array of 1 x 2 x 3, not of height x width"),
        (np.zeros(6), "an array of 6, not of height x width"),
        (np.float64(0.5), "an array of a single value"),
        (np.zeros((0, 3)), "an array of 0 x 3"),
        (np.array([["a", "b"]]), "str"),
        (np.zeros((2, 3), complex), "complex128 values"),
        (np.zeros((2, 3), [("a", "f4")]), "values; save bool, whole or decimal numbers"),
        (np.array([[0.5, np.nan]]), "nan or infinite scores"),
        (np.array([[0.5, -np.inf]]), "nan or infinite scores"),
        (np.array([[1, -1]]), "negative whole numbers"),
    ],
    ids=lambda one: None if isinstance(one, str) else f"{one.dtype}-{one.shape}",
)
def test_arrays_that_are_no_mask_are_refused(tmp_path: Path, values: np.ndarray, said: str) -> None:
    assert said in refusal(save_npy(tmp_path / "a.npy", values))
    np.savez(tmp_path / "a.npz", arr=values)
    assert said in refusal(tmp_path / "a.npz")


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "trapped",)

    save_npy(tmp_path / "a.npy", np.array([[Trap(), Trap()]], object))
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap()))
    np.savez(tmp_path / "c.npz", arr=np.array([[Trap()]], object))
    for name, said in (("a.npy", "not readable as"), ("b.npy", "not readable as"), ("c.npz", "object values")):
        assert said in refusal(tmp_path / name)
        with pytest.raises(InputError, match="not readable as an array"):
            read_mask(tmp_path / name, AS_SET)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.nii", "a.nii.gz", "a.png"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_files_that_are_cut_off_are_refused(tmp_path: Path, name: str, kept: float) -> None:
    values = np.random.default_rng(0).integers(0, 2, (60, 80)).astype(np.uint8)
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, values)
    elif name.endswith("npz"):
        np.savez(path, arr=values)
    elif name.endswith("png"):
        PIL.Image.fromarray(values).save(path)
    else:
        save_nifti(path, values)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert "not readable as" in refusal(path)


def test_an_array_that_is_cut_off_inside_a_whole_archive_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((60, 80)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("arr.npy", buffer.getvalue()[:-100])
    with pytest.raises(InputError, match="cut off"):
        mask_size(tmp_path / "a.npz", AS_SET)


def test_an_archive_without_arrays_and_bytes_changed_later_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("notes.txt", "nothing")
    assert "holds no array; name the one" in refusal(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", arr=np.zeros((60, 80), np.uint8))
    content = bytearray((tmp_path / "b.npz").read_bytes())
    content[2000] ^= 1
    (tmp_path / "b.npz").write_bytes(content)
    assert "not readable as an array (Bad CRC-32" in refusal(tmp_path / "b.npz")


def test_endings_are_told_in_either_letter_case() -> None:
    assert [mask_ending(name) for name in ("a.PNG", "b.nii.GZ", "c.1.npz", "d.jpg", "npy")] == [
        ".png",
        ".nii.gz",
        ".npz",
        None,
        None,
    ]
