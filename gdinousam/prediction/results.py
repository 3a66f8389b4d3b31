"""What comes out of a prediction: what was found in an image, and what found it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdinousam.data.sources.medical.frames import Spacing
from gdinousam.errors import InputError
from gdinousam.findings import Findings, MadeBy, Measurement
from gdinousam.prediction.measuring import measure
from gdinousam.records import Detection, Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Findings):
    """What was found in one image.

    image: (H, W, 3) uint8 RGB, as the model was given it. phrases: what was asked, each as it was written; of those
    that read alike the first. detections: in the order of the phrases, then by falling score; empty where nothing was
    found. made_by: what found them. source: the name of the file without its folder, or ``image 3``. spacing_mm:
    (across, down) millimetres from one pixel to the next, ``None`` where the file does not tell. notes: what a reader
    of the result should know, a sentence each.

    >>> from gdinousam import Segmenter
    >>> prediction = Segmenter.load("small").predict("scan.png", "thyroid nodule")
    >>> prediction  # doctest: +ELLIPSIS
    Prediction('scan.png', ... x ... pixels, thyroid nodule 0...)
    >>> prediction.source, prediction.phrases, prediction.made_by.model
    ('scan.png', ('thyroid nodule',), 'small')
    >>> [one.mask_hw.shape == prediction.size_hw for one in prediction.detections]
    [True]
    >>> [one.unit for one in prediction.measurements()]
    ['pixels']
    >>> prediction.to_dicts()  # doctest: +ELLIPSIS
    [{'score': 0..., 'label': 'thyroid nodule', 'box': {'xmin': ..., 'ymin': ..., 'xmax': ..., 'ymax': ...}}]
    >>> [one["file_name"] for one in prediction.to_coco()["images"]]
    ['scan.png']
    """

    image: Image
    phrases: tuple[str, ...]
    detections: tuple[Detection, ...]
    made_by: MadeBy
    source: str
    spacing_mm: Spacing | None = None
    notes: tuple[str, ...] = ()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        height, width = self.image.shape[:2]
        return height, width

    def measurements(self) -> tuple[Measurement, ...]:
        """The size of every detection, in the order of ``detections``; in mm where ``spacing_mm`` is known.

        Raises InputError for a detection without a mask.
        """
        return tuple(measure(one, self.spacing_mm) for one in self.detections)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the image with a line round every detection into axes of matplotlib, and return them.

        ax: ``None`` makes a figure of its own. The axes count in pixels of the image; speckle inside the lines stays as
        it is.
        """
        from gdinousam.prediction.plotting import plot

        return plot(self, ax)

    def save(self, folder: str | Path, name: str | None = None) -> list[Path]:
        """Write the overlay and a mask for each phrase that was found, and return the files.

        folder: is made where it is missing. name: what the names of the files begin with; ``None``: that of the source
        without its ending. Masks are 8-bit PNGs of the image's size, 255 inside, all detections of a phrase together.
        Earlier files of these names are replaced. Raises InputError for a detection without a mask and for a folder
        that cannot be written.
        """
        from gdinousam.prediction.finding import result_name
        from gdinousam.prediction.writing.pictures import write_pictures

        out = Path(folder)
        try:
            out.mkdir(parents=True, exist_ok=True)
            return list(write_pictures(self, out, name or result_name(Path(self.source))).values())
        except OSError as error:
            raise InputError(f"cannot write to {out} ({error.strerror}); name another folder") from error

    def _repr_png_(self) -> bytes:
        """The picture that notebooks show: the image with a line round every detection, as PNG."""
        from gdinousam.prediction.plotting import png

        return png(self)

    def to_coco(self, image_id: int = 1, category_ids: Mapping[str, int] | None = None) -> dict[str, Any]:
        """Image, categories and results with run lengths, as ``gdinousam.prediction.coco.coco_of`` says.

        That function takes several predictions at once.
        """
        from gdinousam.prediction.coco import coco_of

        return coco_of([self], [image_id], category_ids)

    def to_supervision(self) -> Any:
        """The detections as ``supervision.Detections``, see ``gdinousam.prediction.supervision``."""
        from gdinousam.prediction.supervision import supervision_of

        return supervision_of(self)
