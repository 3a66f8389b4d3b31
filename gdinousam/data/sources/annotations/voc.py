"""Pascal VOC: one XML file per image, and the objects' masks where there is a folder ``SegmentationObject``.

By hand: datumaro 1.13.12 reads nothing without ``ImageSets`` (labelImg and Roboflow write none), knows no label beyond
VOC's twenty without ``labelmap.txt``, drops polygons, and gives the box and the mask of one object as two; supervision
0.31.2 reads no folder of masks.

The numbers of a box are taken as they are, as annotation tools write them; those of VOC's own files count from 1
(``ReadOptions.one_based``).
"""

from __future__ import annotations

import logging
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt
import PIL.Image

from gdinousam.data.contract.layout import Split
from gdinousam.data.contract.names import natural_key
from gdinousam.data.sources.annotations.findings import Findings
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.annotations.shapes import polygon
from gdinousam.data.sources.annotations.split_names import split_named
from gdinousam.data.sources.annotations.xml_files import number_of, read_xml, text_of
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.data.sources.coco.reading import CocoAnnotation, CocoImage
from gdinousam.data.sources.coco.segmentation import encode_rle
from gdinousam.errors import InputError
from gdinousam.reading import reading
from gdinousam.records import BoxXYWH

logger = logging.getLogger(__name__)

ROOT = "annotation"
ANNOTATIONS, IMAGES, OBJECT_MASKS, LISTS = "Annotations", "JPEGImages", "SegmentationObject", "ImageSets"
CLASS_MASKS = "SegmentationClass"
BORDER = 255  # value of the pixels round an object of which nobody has decided


def read_voc(source: Path, options: ReadOptions) -> AnnotatedImages:
    """Read every XML file of VOC below a folder, in ``Annotations`` where it has one, or one file.

    An image without objects is a negative where its file says ``verified="yes"``, as labelImg writes it when somebody
    has confirmed it. Splits are those of ``ImageSets``. Raises ``DataProblems`` naming every file at fault, and
    ``InputError`` where there is none.
    """
    folder = source if source.is_dir() else source.parent
    below = folder / ANNOTATIONS if (folder / ANNOTATIONS).is_dir() else folder
    files = sorted(below.rglob("*.xml"), key=lambda path: (path.parent, natural_key(path))) if source.is_dir() else []
    findings = Findings(source)
    split_of = _splits(folder / LISTS)
    for path in files or [source]:
        root = read_xml(path)
        if root.tag == ROOT:
            try:
                mask_path = folder / OBJECT_MASKS / f"{path.stem}.png"
                findings.add(_image(root, path, split_of.get(path.stem), mask_path, options), path)
            except ValueError as error:
                findings.problem(path, "object", error, "an object as Pascal VOC describes it")
    if not findings.images and not findings.problems:
        raise InputError(f"{source}: holds no XML file of Pascal VOC, with the root <{ROOT}>; check the folder")
    if (folder / CLASS_MASKS).is_dir() and not (folder / OBJECT_MASKS).is_dir():
        logger.warning(
            "%s: is not read, since it does not tell one object from the next; for its masks in place of the boxes "
            "import the images with --masks %s and a table of its values, --phrases",
            folder / CLASS_MASKS,
            folder / CLASS_MASKS,
        )
    image_dir = folder / IMAGES
    return findings.result(options.images or (image_dir if image_dir.is_dir() else folder))


def _splits(lists: Path) -> dict[str, Split]:
    """The split of each image by its stem; empty without lists."""
    split_of: dict[str, Split] = {}
    for path in sorted(lists.glob("*/*.txt")):
        split = split_named(path.stem)
        if split is not None:
            with reading(path, "a list of images"):
                split_of |= {
                    line.split()[0]: split for line in path.read_text("utf-8-sig").splitlines() if line.strip()
                }
    return split_of


def _image(root: Element, path: Path, split: Split | None, mask_path: Path, options: ReadOptions) -> CocoImage:
    name = text_of(root, "filename")
    if name is None:
        raise ValueError("filename is empty")
    width, height = (int(number_of(root, f"size/{side}")) or None for side in ("width", "height"))
    objects = root.findall("object")
    masks = _object_masks(mask_path, len(objects)) if mask_path.is_file() else None
    annotations = []
    for number, element in enumerate(objects, start=1):
        label = text_of(element, "name")
        if label is None:
            raise ValueError(f"object {number} has no name")
        segmentation: object = _polygon(element)
        if masks is not None and (masks == number).any():
            segmentation = encode_rle(masks == number)
        box = _box(element, options.one_based)
        annotations.append(CocoAnnotation(f"object {number}", label, box, segmentation))
    is_negative = not objects and root.get("verified") == "yes"
    name = name.replace("\\", "/")
    return CocoImage(name, width, height, annotations=tuple(annotations), is_negative=is_negative, split=split)


def _box(element: Element, one_based: bool) -> BoxXYWH:
    x0, y0, x1, y1 = (number_of(element, f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax"))
    x0, y0 = x0 - one_based, y0 - one_based
    return x0, y0, x1 - x0, y1 - y0


def _polygon(element: Element) -> object:
    """The ring of ``<polygon><x1>…<y1>…``, as Roboflow writes it; ``None`` where there is none."""
    corners = element.find("polygon")
    if corners is None:
        return None
    count = sum(child.tag.startswith("x") for child in corners)
    return polygon([(number_of(corners, f"x{n}"), number_of(corners, f"y{n}")) for n in range(1, count + 1)])


def _object_masks(path: Path, num_objects: int) -> npt.NDArray[np.int64]:
    """(H, W): the number of each pixel's object, in the order of the XML file, 0 for none."""
    with reading(path, "an image"), PIL.Image.open(path) as picture:
        pixels = np.array(picture if picture.mode in ("P", "L") else picture.convert("RGB"), dtype=np.int64)
    numbers = pixels if pixels.ndim == 2 else _palette_index(pixels)
    numbers = np.where(numbers == BORDER, 0, numbers)
    if numbers.max() > num_objects:
        raise ValueError(f"{numbers.max()} objects in {path.name} of {OBJECT_MASKS}, {num_objects} in the XML file")
    return numbers


def _palette_index(pixels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The index of each (H, W, 3) colour of VOC's palette, which deals out the bits of the index to the channels."""
    index = np.zeros(pixels.shape[:2], dtype=np.int64)
    for place in range(8):
        for channel in range(3):
            index |= (pixels[:, :, channel] >> (7 - place) & 1) << (3 * place + channel)
    return index
