"""The scale of ultrasound pictures in DICOM, in space and in time.

Regions have a calibration each, or there is one spacing for the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gdinousam.data.sources.medical.frames import Region, RegionKind, Spacing, above_zero, known_spacing

# PS3.3, C.8.5.5.1: codes of region spatial format and of physical units
KINDS: dict[int, RegionKind] = {1: "2d", 2: "m-mode", 3: "spectral", 4: "waveform", 5: "graphics"}
CENTIMETRES = 3
MM_PER_CM = 10.0
MS_PER_S = 1000.0


def ultrasound_regions(header: Any, width: int, height: int) -> tuple[Region, ...]:
    """The calibrated regions of a picture of the given size, in the order of the file; none where it tells none.

    A region that reaches beyond the picture describes the screen before it was cropped or resized, and so does its
    scale: it is left out.
    """
    found = []
    for item in header.get("SequenceOfUltrasoundRegions") or ():
        x0, y0 = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
        # The last pixel belongs to the region; some machines write the edge behind it instead.
        x1, y1 = int(item.RegionLocationMaxX1) + 1, int(item.RegionLocationMaxY1) + 1
        if not (0 <= x0 < x1 <= width + 1 and 0 <= y0 < y1 <= height + 1):
            continue
        kind = KINDS.get(int(item.get("RegionSpatialFormat") or 0), "unknown")
        found.append(Region((x0, y0, min(x1, width), min(y1, height)), kind, _region_spacing(item)))
    return tuple(found)


def picture_spacing(header: Any, regions: Sequence[Region]) -> Spacing | None:
    """Millimetres from pixel to pixel of the tissue shown.

    That of the two-dimensional regions where they agree, else the spacing given for the whole picture, ``None`` where
    there is neither, and where several such regions differ.
    """
    spacings = {region.spacing_mm for region in regions if region.kind == "2d"}
    if spacings:
        return spacings.pop() if len(spacings) == 1 else None
    if header.get("SequenceOfUltrasoundRegions") and not regions:
        return None  # cropped or resized since: whatever else the header says of the scale is from before, too
    spacing = header.get("PixelSpacing")
    return None if not spacing else known_spacing(across=spacing[1], down=spacing[0])  # PS3.3, 10.7.1.3: rows first


def frame_rate(header: Any) -> float | None:
    """Frames per second: as they were recorded, else as they are to be shown; ``None`` where neither is told."""
    between = header.get("FrameTime") or 0
    if not between:
        times = header.get("FrameTimeVector") or ()  # of each frame since the one before; the first is zero
        times = times[1:] if isinstance(times, Sequence) else ()
        between = sum(map(float, times)) / len(times) if times else 0
    if between:
        return above_zero(MS_PER_S / float(between))
    return above_zero(header.get("CineRate"))


def _region_spacing(item: Any) -> Spacing | None:
    units = item.get("PhysicalUnitsXDirection"), item.get("PhysicalUnitsYDirection")
    if units != (CENTIMETRES, CENTIMETRES):
        return None
    return known_spacing(item.get("PhysicalDeltaX", 0) * MM_PER_CM, item.get("PhysicalDeltaY", 0) * MM_PER_CM)
