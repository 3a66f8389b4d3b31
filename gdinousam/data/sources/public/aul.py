"""AUL (Xu 2022): liver ultrasound of 735 patients in three class folders, the mass outlined as a polygon.

File numbers start again in every class. The paper's script leaves the class out of its file names, so benign images
take the place of about a hundred malignant ones. Outlines of the liver and of the scan sector are not used; of the
former one is missing and two are swapped with the latter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gdinousam.data.images import read_image
from gdinousam.data.sources.public.interface import NORMAL, DatasetFacts, PaperRow, PublicDataset, RawCase, RawImage
from gdinousam.data.sources.public.pairing import release_files, require_any, require_files
from gdinousam.data.sources.public.raw_masks import instances, polygon_mask
from gdinousam.errors import InputError
from gdinousam.reading import reading

FOLDERS = {"malignant": "Malignant", "benign": "Benign", NORMAL: "Normal"}  # the paper's script starts with malignant
BEYOND_IMAGE = "polygon reaches beyond the image, cut at its edge"
MIN_CORNERS = 3


class Aul(PublicDataset):
    facts = DatasetFacts(
        name="AUL",
        aliases=("Annotated Ultrasound Liver",),
        tag="aul",
        organ="liver",
        role="seen",
        homepage="https://zenodo.org/records/7272660",
        licence="public, terms at the home page; cite the paper",
        phrases={"benign": "benign liver mass", "malignant": "malignant liver mass"},
        expected={"malignant": 435, "benign": 200, NORMAL: 100},
        paper_counts=(351, 120, 62),
        class_order=("malignant", "benign"),
    )
    signature = ("Benign/image/*.jpg", "Benign/segmentation/mass/*.json", "Malignant/image/*.jpg")

    def cases(self, root: Path) -> list[RawCase]:
        """The class folders, each image with the polygon of its mass; every image is another patient.

        Normal images have no polygon. Where the folder of one class is missing the download is not complete, except
        for the normal one, which has an archive of its own that the paper does without.
        """
        found, partners = [], []
        for label, folder in FOLDERS.items():
            images = release_files(root / folder / "image", r".*\.jpg")
            mass = root / folder / "segmentation" / "mass"
            if label == NORMAL:
                found += [_case(image, label, ()) for image in images]
                continue
            require_any(images, f"{folder}/image/<n>.jpg", root, self.facts.name)
            polygons = [mass / f"{image.stem}.json" for image in images]
            found += [_case(image, label, (path,)) for image, path in zip(images, polygons, strict=True)]
            images_of_polygons = [
                root / folder / "image" / f"{path.stem}.jpg" for path in release_files(mass, r".*\.json")
            ]
            partners += [*polygons, *images_of_polygons]
        require_files(partners, root, self.facts.name)
        return found

    def read(self, case: RawCase) -> Iterator[RawImage]:
        """One picture, with the filled polygon of its mass as its object; none in a normal one."""
        image = read_image(case.image)
        if not case.masks:
            yield RawImage(case.name, image, ())
            return
        (path,) = case.masks
        corners_xy = _read_polygon(path)
        height, width = image.shape[:2]
        beyond = (corners_xy < -1).any() or (corners_xy > (width, height)).any()
        objects, dropped = instances(polygon_mask(corners_xy, (height, width)), case.label)
        # the script's file name has no class, and table 1 counts files
        rows = (PaperRow(case.label, counts_as=case.image.stem),)
        yield RawImage(case.name, image, objects, rows, (*((BEYOND_IMAGE,) if beyond else ()), *dropped))


def _case(image: Path, label: str, masks: tuple[Path, ...]) -> RawCase:
    name = f"{label}_{image.stem}"
    return RawCase(name, label, image, masks, name, "patient")


def _read_polygon(path: Path) -> npt.NDArray[np.float64]:
    """The corners of a file that holds a list of [x, y] in pixels, (N, 2) float64."""
    with reading(path, "a list of points", "fetch the file again"):
        corners_xy = np.asarray(json.loads(path.read_bytes()), dtype=np.float64)
    if corners_xy.ndim != 2 or corners_xy.shape[1] != 2 or len(corners_xy) < MIN_CORNERS:
        raise InputError(f"{path}: holds no polygon of at least {MIN_CORNERS} points [x, y]; fetch the file again")
    if not np.isfinite(corners_xy).all():
        raise InputError(f"{path}: holds a point without a finite number; fetch the file again")
    return corners_xy
