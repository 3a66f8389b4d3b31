"""Every format that can be imported, its reader, and how a source of it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gdinousam.data.sources.annotations import cvat, label_maps, voc, yolo
from gdinousam.data.sources.annotations.by_datumaro import PREFIX, read_by_datumaro
from gdinousam.data.sources.annotations.label_maps import read_label_maps
from gdinousam.data.sources.annotations.label_studio import is_label_studio, read_label_studio
from gdinousam.data.sources.annotations.labelme import is_labelme, read_labelme
from gdinousam.data.sources.annotations.options import ReadOptions
from gdinousam.data.sources.annotations.via import is_via, read_via
from gdinousam.data.sources.annotations.xml_files import read_xml
from gdinousam.data.sources.coco.importing import AnnotatedImages
from gdinousam.errors import InputError
from gdinousam.reading import read_json


@dataclass(frozen=True)
class Format:
    """read: the reader. has_values: a table of phrases may name values of pixels."""

    read: Callable[[Path, ReadOptions], AnnotatedImages]
    has_values: bool = False


FORMATS = {
    "masks": Format(read_label_maps, has_values=True),
    "labelme": Format(read_labelme),
    "via": Format(read_via),
    "cvat": Format(cvat.read_cvat),
    "labelstudio": Format(read_label_studio),
    "voc": Format(voc.read_voc),
    "yolo": Format(yolo.read_yolo),
}


def find_format(name: str) -> Format:
    """The format of this name, which may be ``datumaro:`` and datumaro's own; ``InputError`` where there is none."""
    if name.startswith(PREFIX):
        return Format(lambda source, options: read_by_datumaro(source, options, name.removeprefix(PREFIX)))
    if name not in FORMATS:
        raise InputError(f"--format {name}: no such format; name one of {', '.join(FORMATS)}, or {PREFIX}NAME")
    return FORMATS[name]


def guess_format(source: Path) -> str:
    """The name of the format of a file or folder.

    Raises ``InputError`` for a source that is missing, and where nothing in it tells the format.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; check the path")
    name = _format_of_folder(source) if source.is_dir() else _format_of_file(source)
    if name is None:
        raise InputError(f"{source}: nothing tells its format; name it with --format: {', '.join(FORMATS)}")
    return name


def _format_of_file(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return {cvat.ROOT: "cvat", voc.ROOT: "voc"}.get(read_xml(path).tag)
    if suffix in (".yaml", ".yml"):
        return "yolo"
    if suffix == ".json":
        return _format_of_json(path)
    return None


def _format_of_json(path: Path) -> str | None:
    content = read_json(path)
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        raise InputError(f"{path}: a COCO file; use gdinousam coco import")
    checks = {"labelme": is_labelme, "via": is_via, "labelstudio": is_label_studio}
    return next((name for name, is_it in checks.items() if is_it(content)), None)


def _format_of_folder(folder: Path) -> str | None:
    if (folder / cvat.FILE_NAME).is_file():
        return "cvat"
    if yolo.find_yaml(folder) or yolo.find_names(folder):
        return "yolo"
    if label_maps.mask_folders(folder):
        return "masks"
    xml_file = next(iter(sorted(folder.rglob("*.xml"))), None)
    if xml_file is not None and read_xml(xml_file).tag == voc.ROOT:
        return "voc"
    json_file = next(iter(sorted(folder.rglob("*.json"))), None)
    if json_file is not None and _format_of_json(json_file) == "labelme":
        return "labelme"
    return None
