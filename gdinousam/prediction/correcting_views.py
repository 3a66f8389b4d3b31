"""Masks from boxes and clicks on a whole picture, each drawn within the view where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from gdinousam.errors import InputError
from gdinousam.models.mask_heads.sam2 import MaskHead, Sam2MaskHead
from gdinousam.models.segmenter import TextSegmenter
from gdinousam.prediction.clips.flow import clipped
from gdinousam.prediction.correcting import segment_shown
from gdinousam.prediction.views import ViewSettings, crop, put_back, whole_view, without_colour
from gdinousam.records import BoxXYXY, Click, Detection, Hint, Image, PhraseSegmenter

Shown = Literal["box", "click"]


def what_corrects(method: PhraseSegmenter) -> tuple[Shown, ...]:
    """What a method can be shown of an object; nothing where it has no mask head."""
    mask_head = method.mask_head if isinstance(method, TextSegmenter) else None
    if isinstance(mask_head, Sam2MaskHead):
        return "box", "click"
    return ("box",) if isinstance(mask_head, MaskHead) else ()


def correct_views(
    method: PhraseSegmenter,
    image: Image,
    views: Sequence[BoxXYXY],
    hints: Sequence[Hint],
    settings: ViewSettings,
) -> list[Detection]:
    """The mask of each hint.

    image: (H, W, 3) uint8 RGB. views: its parts as of ``Picture.views``; a hint that lies in one, the centre of its box
    and all of its clicks, is drawn on its crop, any other on the whole picture. hints: checked, see
    ``gdinousam.inputs.as_hints``. Returns a detection for each hint, in their order, with its phrase, score and box;
    see ``gdinousam.prediction.correcting.segment_shown`` for one without a box. Raises InputError for a hint with
    neither box nor click, for a click or box outside the image, for a box without area, and for what the method cannot
    be shown.
    """
    whole = whole_view(image)
    for place, hint in enumerate(hints):
        _require(hint, place, whole, what_corrects(method))
    assert isinstance(method, TextSegmenter)
    shown = without_colour(image) if settings.colour == "grey" else image
    view_of = [_view_of(hint, views if settings.by_regions else (), whole) for hint in hints]
    found: dict[int, Detection] = {}
    for view in dict.fromkeys(view_of):
        places = [place for place, its in enumerate(view_of) if its == view]
        moved = [_moved(hints[place], view) for place in places]
        drawn = _drawn(method, crop(shown, view), moved)
        for place, one in zip(places, drawn, strict=True):
            back = put_back(one, view, (image.shape[0], image.shape[1]))
            found[place] = replace(back, box_xyxy=hints[place].box_xyxy or back.box_xyxy)
    return [found[place] for place in range(len(hints))]


def _drawn(method: TextSegmenter[MaskHead], image: Image, hints: Sequence[Hint]) -> list[Detection]:
    """Hints with clicks by these and their box alone; mere boxes as the pipeline shows its own: some with their phrase,
    some with its map.
    """
    mask_head, by_clicks = method.mask_head, [hint for hint in hints if hint.clicks]
    boxes = [hint for hint in hints if not hint.clicks]
    maps = method.box_finder.maps_for_masks(image, [hint.phrase for hint in boxes]) if boxes else {}
    boxes = [replace(hint, map_hw=maps.get(hint.phrase)) for hint in boxes]
    corrected = iter(segment_shown(mask_head, image, by_clicks) if isinstance(mask_head, Sam2MaskHead) else ())
    boxed = iter(mask_head.segment_hints([image], [boxes])[0])
    return [next(corrected if hint.clicks else boxed) for hint in hints]


def _require(hint: Hint, place: int, whole: BoxXYXY, can: Sequence[Shown]) -> None:
    if not can:
        raise InputError("the method has no mask head, so nothing can be corrected; use another model")
    what = f"hint {place + 1} ({hint.phrase!r})"
    if hint.box_xyxy is None and not hint.clicks:
        raise InputError(f"{what} has neither box nor click; show where the object lies")
    if hint.clicks and "click" not in can:
        raise InputError(f"{what} has clicks, but this model can be shown boxes only; draw a box")
    if any(not _holds(whole, click) for click in hint.clicks):
        raise InputError(f"{what} has a click outside the image of {whole[2]:g} x {whole[3]:g} pixels")
    if hint.box_xyxy is not None and clipped(hint.box_xyxy, int(whole[2]), int(whole[3])) is None:
        raise InputError(f"{what} has a box without area in the image of {whole[2]:g} x {whole[3]:g} pixels")


def _holds(view: BoxXYXY, click: Click) -> bool:
    return view[0] <= click.x <= view[2] and view[1] <= click.y <= view[3]


def _view_of(hint: Hint, views: Sequence[BoxXYXY], whole: BoxXYXY) -> BoxXYXY:
    points = [*hint.clicks, *([] if hint.box_xyxy is None else [Click.centre_of(hint.box_xyxy)])]
    return next((view for view in views if all(_holds(view, point) for point in points)), whole)


def _moved(hint: Hint, view: BoxXYXY) -> Hint:
    """A hint in the coordinates of a view; of its box what lies within."""
    left, top, right, bottom = view
    clicks = tuple(replace(click, x=click.x - left, y=click.y - top) for click in hint.clicks)
    if hint.box_xyxy is None:
        return replace(hint, clicks=clicks)
    x0, y0, x1, y1 = hint.box_xyxy
    inside = clipped((x0 - left, y0 - top, x1 - left, y1 - top), int(right - left), int(bottom - top))
    assert inside is not None  # its centre lies in the view, or the view is the image
    return replace(hint, box_xyxy=inside, clicks=clicks)
