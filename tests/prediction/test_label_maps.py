"""Label maps: a label lies where its voxel lies, whatever the format, the axes and the orientation."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
import SimpleITK

from gdinousam.errors import InputError
from gdinousam.prediction.sources import Clip, Picture, open_source
from gdinousam.prediction.writing.masks import FrameMasks
from gdinousam.prediction.writing.nifti import write_label_map

WIDTH, HEIGHT, DEPTH = 7, 5, 3
SPOT = (5, 1, 2)  # x, y, z of the one bright voxel
# a turned and sheared place in space, so that no axis can be exchanged without notice
AFFINE = np.array([[0.0, -0.5, 0.1, 10.0], [0.4, 0.0, 0.0, -20.0], [0.0, 0.05, 2.0, 30.0], [0.0, 0.0, 0.0, 1.0]])


def volume() -> np.ndarray:
    """(X, Y, Z) with one bright voxel."""
    voxels = np.zeros((WIDTH, HEIGHT, DEPTH), dtype=np.uint8)
    voxels[SPOT] = 255
    return voxels


def bright(source: Picture | Clip) -> Iterator[FrameMasks]:
    """The bright pixels of every frame as object 4."""
    for frame in [source.image] if isinstance(source, Picture) else source:
        yield {4: frame[:, :, 0] > 100}


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_label_lies_where_the_voxel_of_a_nifti_file_lies(tmp_path: Path, name: str, kind: type) -> None:
    picture = kind(volume(), None)
    picture.set_sform(AFFINE, code=2)
    picture.set_qform(np.diag([0.4, 0.5, 2.0, 1.0]), code=1)  # another place than the other one: both are kept
    picture.header.set_xyzt_units("mm", "sec")
    picture.header["descrip"] = b"Zweistein^Frieda"
    picture.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"MRN-4711"))
    nibabel.save(picture, tmp_path / name)
    out = tmp_path / f"out-{name}"
    write_label_map(out, open_source(tmp_path / name), bright(open_source(tmp_path / name)), {4: "cyst"})
    labels = nibabel.load(out)
    assert np.argwhere(np.asarray(labels.dataobj)).tolist() == [list(SPOT)]
    assert int(labels.dataobj[SPOT]) == 4
    source = nibabel.load(tmp_path / name)
    for of_label, of_source in ((labels.get_sform, source.get_sform), (labels.get_qform, source.get_qform)):
        assert of_label(coded=True)[1] == of_source(coded=True)[1]
        assert (of_label() == of_source()).all()
    assert (labels.affine == source.affine).all()
    assert labels.header.get_xyzt_units() == ("mm", "sec")
    content = gzip.decompress(out.read_bytes()) if name.endswith(".gz") else out.read_bytes()
    assert b"weistein" not in content and b"4711" not in content


def test_volumes_that_follow_one_another_keep_their_axes(tmp_path: Path) -> None:
    voxels = np.zeros((WIDTH, HEIGHT, DEPTH, 2), dtype=np.uint8)
    voxels[(*SPOT, 1)] = 255
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), tmp_path / "a.nii.gz")
    source = open_source(tmp_path / "a.nii.gz")
    write_label_map(tmp_path / "out.nii.gz", source, bright(source), {4: "cyst"})
    labels = np.asarray(nibabel.load(tmp_path / "out.nii.gz").dataobj)
    assert labels.shape == voxels.shape
    assert np.argwhere(labels).tolist() == [[*SPOT, 1]]


@pytest.mark.parametrize("out_name", ["out.mha", "out.nii.gz"])
def test_a_label_lies_where_the_voxel_of_a_metaimage_lies(tmp_path: Path, out_name: str) -> None:
    picture = SimpleITK.GetImageFromArray(volume().T)
    picture.SetSpacing((0.4, 0.5, 2.0))
    picture.SetOrigin((10.0, -20.0, 30.0))
    picture.SetDirection((0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    SimpleITK.WriteImage(picture, str(tmp_path / "a.mha"))
    source = open_source(tmp_path / "a.mha")
    write_label_map(tmp_path / out_name, source, bright(source), {4: "cyst"})
    labels = SimpleITK.ReadImage(str(tmp_path / out_name))
    assert labels.GetPixel(*SPOT) == 4
    assert np.count_nonzero(SimpleITK.GetArrayFromImage(labels)) == 1
    assert labels.GetSize() == picture.GetSize()
    here, there = (one.TransformIndexToPhysicalPoint(SPOT) for one in (labels, picture))
    assert here == pytest.approx(there, abs=1e-5)
    if out_name.endswith(".mha"):
        assert (labels.GetSpacing(), labels.GetOrigin()) == (picture.GetSpacing(), picture.GetOrigin())
        assert labels.GetDirection() == picture.GetDirection()


def test_a_folder_of_frames_becomes_a_label_map_that_is_read_as_the_frames_are(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, plane in enumerate(np.moveaxis(volume(), 2, 0)):
        PIL.Image.fromarray(plane.T).save(folder / f"{number}.png")
    source = open_source(folder)
    write_label_map(tmp_path / "out.nii.gz", source, bright(source), {4: "cyst"})
    back = open_source(tmp_path / "out.nii.gz")
    assert isinstance(back, Clip) and back.size_hw == source.size_hw and back.spacing_mm is None
    planes = np.stack([frame[:, :, 0] for frame in back])
    assert np.argwhere(planes).tolist() == [list(reversed(SPOT))]
    itk = SimpleITK.ReadImage(str(tmp_path / "out.nii.gz"))
    assert itk.GetDirection() == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def test_the_table_names_the_labels_and_counts_what_is_hidden(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(volume()[:, :, 0], np.eye(4)), tmp_path / "a.nii")
    source = open_source(tmp_path / "a.nii")
    masks = np.zeros((2, HEIGHT, WIDTH), dtype=bool)
    masks[0, 1:3, 1:4] = True
    masks[1, 2:4, 3:6] = True
    objects = {1: "cyst", 2: "Zyste über dem Rand"}
    table = write_label_map(tmp_path / "out.nii.gz", source, [{1: masks[0], 2: masks[1]}], objects)
    labels = np.asarray(nibabel.load(tmp_path / "out.nii.gz").dataobj)
    assert (labels == 1).sum() == 6 and (labels == 2).sum() == 5
    assert labels[3, 2] == 1  # the pixel that both have
    assert table == tmp_path / "out_labels.json"
    expected = {"labels": {"1": "cyst", "2": "Zyste über dem Rand"}, "hidden_pixels": 1}
    assert json.loads(table.read_text(encoding="utf-8")) == expected


def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(volume(), np.eye(4)), tmp_path / "a.nii")
    source = open_source(tmp_path / "a.nii")
    empty = np.zeros((HEIGHT, WIDTH), dtype=bool)
    with pytest.raises(InputError, match=r"a\.nii: masks of 2 frames for 3"):
        write_label_map(tmp_path / "out.nii", source, [{1: empty}] * 2, {1: "cyst"})
    with pytest.raises(InputError, match=r"give their size"):
        write_label_map(tmp_path / "out.nii", source, [{1: empty.T}] * 3, {1: "cyst"})
    with pytest.raises(InputError, match=r"out\.mha: label maps are written as"):
        write_label_map(tmp_path / "out.mha", source, [{1: empty}] * 3, {1: "cyst"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii"]
