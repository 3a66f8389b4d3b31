"""Runs an import: read a source in its format, put in groups and phrases, write splits of the data contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gdinousam.data.sources.annotations.formats import find_format, guess_format
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.coco.file_names import path_told
from gdinousam.data.sources.coco.importing import AnnotatedImages, ImportReport, import_images
from gdinousam.data.sources.coco.reading import CocoImage, shown
from gdinousam.data.sources.coco.writing import ImportOptions
from gdinousam.errors import InputError
from gdinousam.reading import reading


def import_annotations(
    source: str | Path,
    data: str | Path,
    options: ImportOptions,
    how: ReadOptions | None = None,
    format_name: str | None = None,
    group: str | None = None,
    progress: bool = True,
) -> ImportReport:
    """Write splits of the data contract from what an annotation tool has written.

    source: file or folder. data: folder of the splits; it may hold others. options: the phrases may be those of values
    of label maps; the dataset without a name is called as the source. how: to read it. format_name: as for
    ``find_format``; ``None``: guessed. group: pattern that finds the group (patient) in the file name of an image, or
    else in its path: its first parenthesis or all of it. The result passes the contract's checker. Raises
    ``DataProblems`` with a table of all that is wrong with the annotations, and ``InputError`` as ``import_images``;
    then nothing is written.
    """
    source = Path(source)
    chosen = find_format(format_name or guess_format(source))
    how = how or ReadOptions()
    named = {key: phrase for key, phrase in options.phrases.items() if not (chosen.has_values and key.isdecimal())}
    if chosen.has_values:
        how = replace(how, phrases=dict(options.phrases))
    dataset = options.dataset or (source.resolve().name if source.is_dir() else source.stem)
    with TemporaryDirectory(prefix="gdinousam-import-") as scratch:
        with reading(source, "annotations", "export them again"):
            images = chosen.read(source, replace(how, scratch=Path(scratch), progress=progress))
        if group is not None:
            images = _with_groups(images, group)
        options = replace(options, phrases=named, dataset=dataset, unused_categories=True)
        _require_phrases(images, options)
        return import_images(images, data, options, progress)


def _with_groups(images: AnnotatedImages, pattern: str) -> AnnotatedImages:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(
            f"--group {pattern!r}: no regular expression ({error}); write one such as '^(p[0-9]+)_'"
        ) from error
    found = {}
    for image in images.file.images:
        path = path_told(image.file_name)
        found[image.file_name] = compiled.search(path.name) or compiled.search(path.as_posix())
    without = [name for name, match in found.items() if match is None or not match[bool(compiled.groups)]]
    if without:
        raise InputError(
            f"--group {pattern!r}: finds nothing in {len(without)} file names: {shown(without)}; correct it"
        )
    grouped = [_of_group(image, found, bool(compiled.groups)) for image in images.file.images]
    return replace(images, file=replace(images.file, images=tuple(grouped)))


def _of_group(image: CocoImage, found: Mapping[str, re.Match[str] | None], parenthesis: bool) -> CocoImage:
    match = found[image.file_name]
    return image if match is None else replace(image, group=match[parenthesis])


def _require_phrases(images: AnnotatedImages, options: ImportOptions) -> None:
    """Raise ``InputError`` where images are negatives and nothing says of what."""
    empty = [image for image in images.file.images if not image.annotations]
    is_any_negative = options.negatives or any(image.is_negative for image in empty)
    if empty and is_any_negative and not images.file.categories and not options.absent:
        raise InputError(
            f"{images.file.path}: {len(empty)} images are without a target, and no label is told; say with --absent "
            "PHRASE what they do not show"
        )
