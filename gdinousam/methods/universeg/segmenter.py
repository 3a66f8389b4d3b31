"""UniverSeg as a method: it segments the images of one dataset as the examples of that dataset are segmented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from gdinousam.data.contract.spellings import respelled
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.methods import phrases_by_dataset
from gdinousam.identity import phrase_identity
from gdinousam.inputs import as_images, as_phrases
from gdinousam.methods.detections import detection_of
from gdinousam.methods.universeg.disjoint import check_disjoint, without_tested
from gdinousam.methods.universeg.network import UniverSegNetwork
from gdinousam.methods.universeg.preprocessing import grey_square, probability_of_size
from gdinousam.methods.universeg.support import (
    Draws,
    SupportSet,
    SupportSettings,
    draws_of_phrases,
    load_draws,
    read_support,
)
from gdinousam.methods.universeg.weights import load_universeg
from gdinousam.records import Detection, Image, ImageRecord, Need

# A target with one example each: so many go through the network together, which takes about 2 GB.
_PAIRS_AT_ONCE = 64

_Key = tuple[int, ...]  # which draws a phrase has; equal for phrases that share them


class UniverSegSegmenter:
    """A ``gdinousam.records.Segmenter`` for images of one dataset.

    network: in eval mode. support: for each phrase its draws of examples, at least one. The examples stay prepared in
    memory; their features cannot, as they depend on the target from the first block on. Phrases that hold the very same
    sets are answered by one run of the network.
    """

    needs: frozenset[Need] = frozenset({"support set"})

    def __init__(self, network: UniverSegNetwork, support: Mapping[str, Sequence[SupportSet]]) -> None:
        empty = [phrase for phrase, draws in support.items() if not draws]
        if empty:
            raise ValueError(f"no examples of {empty[0]!r}; give every phrase at least one draw")
        self.network = network
        self.support = {phrase_identity(phrase): tuple(draws) for phrase, draws in support.items()}

    def to(self, device: torch.device | str) -> UniverSegSegmenter:
        """Move the network and the examples; returns itself."""
        self.network.to(device)
        moved = {id(one): one.to(device) for draws in self.support.values() for one in draws}
        self.support = {phrase: tuple(moved[id(one)] for one in draws) for phrase, draws in self.support.items()}
        return self

    def unsupported(self, record: ImageRecord) -> dict[str, str]:
        """See ``gdinousam.evaluation.scoring.methods.Limited``: the phrases without examples."""
        unknown = [phrase for phrase in record.phrases if phrase_identity(phrase) not in self.support]
        return dict.fromkeys(unknown, "there is no example of the phrase")

    @torch.inference_mode()
    def segment(self, images: Sequence[Image], phrases: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Segment every phrase in its image; see ``gdinousam.records.Segmenter``.

        At most one detection per phrase, all objects of the phrase together: the mean of the probabilities of all
        draws, brought to the size of the image, above 0.5. score: their mean inside the mask. Raises InputError where
        the lists differ in length and for a phrase without examples.
        """
        images = as_images(images)
        phrases = as_phrases(phrases, len(images))
        probabilities = self._probabilities(images, [[self._key(phrase) for phrase in asked] for asked in phrases])
        answers: list[list[Detection]] = []
        for place, (image, asked) in enumerate(zip(images, phrases, strict=True)):
            maps = (probabilities[place, self._key(phrase)] for phrase in asked)
            of_size = (probability_of_size(one, image.shape[:2]) for one in maps)
            found = (detection_of(phrase, one) for phrase, one in zip(asked, of_size, strict=True))
            answers.append([detection for detection in found if detection is not None])
        return answers

    def _key(self, phrase: str) -> _Key:
        draws = self.support.get(phrase_identity(phrase))
        if draws is None:
            known = ", ".join(self.support) or "nothing"
            raise InputError(f"UniverSeg has no examples of {phrase!r}, only of {known}; draw some for it")
        return tuple(map(id, draws))

    def _probabilities(
        self, images: Sequence[Image], keys: Sequence[Sequence[_Key]]
    ) -> dict[tuple[int, _Key], torch.Tensor]:
        """(128, 128) for each place of an image with each key that is asked of it."""
        places_of: dict[_Key, list[int]] = {}
        for place, of_image in enumerate(keys):
            for key in dict.fromkeys(of_image):
                places_of.setdefault(key, []).append(place)
        draws_of = {tuple(map(id, draws)): draws for draws in self.support.values()}
        device = next(self.network.parameters()).device
        squares = {place: grey_square(images[place]).to(device) for place, of_image in enumerate(keys) if of_image}
        found: dict[tuple[int, _Key], torch.Tensor] = {}
        for key, places in places_of.items():
            targets = torch.stack([squares[place] for place in places])
            of_draws = torch.stack([self._probability(targets, one) for one in draws_of[key]])
            found |= {(place, key): one for place, one in zip(places, of_draws.mean(dim=0), strict=True)}
        return found

    def _probability(self, targets: torch.Tensor, support: SupportSet) -> torch.Tensor:
        """targets: (B, 1, 128, 128), at least one. Returns (B, 128, 128), a few targets being computed together."""
        parts = []
        for part in targets.split(max(1, _PAIRS_AT_ONCE // len(support))):
            images, labels = (one.expand(len(part), *one.shape) for one in (support.images, support.labels))
            parts.append(self.network(part, images, labels)[:, 0].sigmoid())
        return torch.cat(parts)


def load_universeg_segmenters(
    weights: str, support: SupportSettings, records: Sequence[ImageRecord], device: torch.device
) -> dict[str, UniverSegSegmenter]:
    """Build the segmenter of each dataset that is tested, all with one network.

    weights: see ``load_universeg``. support: where the examples come from. records: the images to test; their phrases
    are drawn examples for. Returns the segmenters by the name of the dataset as in the CSV; a phrase without any
    example is none of those that its dataset's segmenter can answer, and a dataset without one has no segmenter.
    Raises InputError for weights, images or lists that cannot be read, for examples that are among the images to test
    (``check_disjoint``), unless ``skip_tested`` draws around them, and where no dataset has an example or nothing is
    tested.
    """
    if not records:
        raise InputError("UniverSeg is shown examples of each dataset of a test file; only test.py has one")
    training = respelled(read_support(support), records)
    phrases_of = phrases_by_dataset(records)
    if support.skip_tested:
        training = without_tested([one for one in training if one.dataset in phrases_of], records)
    draws_of = {
        dataset: draws_of_phrases(training, dataset, phrases, support) for dataset, phrases in phrases_of.items()
    }
    draws_of = {dataset: draws for dataset, draws in draws_of.items() if draws}
    if not draws_of:
        raise InputError(
            f"{support.names or support.ann}: no image shows a phrase of {', '.join(phrases_of)}, so UniverSeg cannot "
            "be shown any; add images"
        )
    if not support.skip_tested:
        check_disjoint(_all_drawn(draws_of.values()), records)
    network = load_universeg(weights)
    return {
        dataset: UniverSegSegmenter(network, load_draws(draws, support.by)).to(device)
        for dataset, draws in draws_of.items()
    }


def _all_drawn(draws_of: Iterable[Mapping[str, Draws]]) -> list[ImageRecord]:
    return [one for of_phrase in draws_of for draws in of_phrase.values() for draw in draws for one in draw]
