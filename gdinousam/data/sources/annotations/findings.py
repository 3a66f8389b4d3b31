"""What a reader collects: images with their annotations, and everything that is wrong, so that all is told at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gdinousam.data.contract.problems import DataProblems, Problem
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.data.sources.coco.reading import CocoFile, CocoImage
from gdinousam.errors import InputError


@dataclass
class Findings:
    """images: by file name, in the order in which they were found. categories: labels that the tool offers."""

    source: Path
    images: dict[str, CocoImage] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)

    def add(self, image: CocoImage, file: Path) -> None:
        """Note an image. file: where its annotations stand, for the message where it has some already."""
        if image.file_name in self.images:
            self.problem(file, "image", image.file_name, "each image once; keep one of its annotations")
        else:
            self.images[image.file_name] = image

    def problem(self, file: Path, column: str, value: object, expected: str, line: int | None = None) -> None:
        """Note what is wrong. column: which field of the file. value: what stands there. expected: what should.
        line: of a text file, counted from 1."""
        self.problems.append(Problem(file, line, column, str(value), expected))

    def result(
        self, image_dir: Path, paths: Mapping[str, Path] | None = None, shows_upright: bool = False
    ) -> AnnotatedImages:
        """All that was found; see ``AnnotatedImages``. Raises ``DataProblems`` where something is wrong, and
        ``InputError`` where there is no image."""
        if self.problems:
            raise DataProblems(self.problems)
        if not self.images:
            raise InputError(f"{self.source}: names no image; give the export of the annotations")
        used: Iterable[str] = (one.category for image in self.images.values() for one in image.annotations)
        categories = tuple(dict.fromkeys([*self.categories, *used]))
        coco = CocoFile(self.source, tuple(self.images.values()), categories)
        return AnnotatedImages(coco, image_dir, paths or {}, shows_upright)
