"""UniverSeg as a method: it segments the images of one dataset as the examples of that dataset are segmented."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import torch

from gdinousam.data.audit.lookalikes import lookalikes
from gdinousam.data.audit.pictures import read_pictures
from gdinousam.data.contract.names import respelled
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.methods import phrases_by_dataset
from gdinousam.identity import phrase_identity
from gdinousam.inputs import as_images, as_phrases
from gdinousam.methods.detections import detection_of
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
    """A ``gdinousam.records.PhraseSegmenter`` for images of one dataset.

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
        """Segment every phrase in its image; see ``gdinousam.records.PhraseSegmenter``.

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


_IMAGES_SHOWN = 5

logger = logging.getLogger(__name__)


def check_disjoint(support_records: Sequence[ImageRecord], test_records: Sequence[ImageRecord]) -> None:
    """Raise InputError where examples and test share anything; the message names the first few examples and why.

    support_records: all examples of all draws, repeats allowed. They share an image where dataset and file name are the
    same, or where the pictures look alike as in ``gdinousam.data.audit.lookalikes``, across datasets too; and
    they share a patient, volume or exam where dataset and group are the same. Images without a group share none.
    Every picture is read once; InputError also for one that is missing or unreadable.
    """
    support = list({(record.dataset, record.path): record for record in support_records}.values())
    reasons = _shared(support, test_records)
    if reasons:
        places = sorted(reasons)
        shown = ", ".join(f"{support[place].path.name} ({reasons[place]})" for place in places[:_IMAGES_SHOWN])
        raise InputError(
            f"{len(places)} of {len(support)} support images are not independent of the test: {shown}"
            f"{', ...' * (len(places) > _IMAGES_SHOWN)}; set skip_tested to draw around them, or name other images"
        )


def without_tested(records: Sequence[ImageRecord], test_records: Sequence[ImageRecord]) -> tuple[ImageRecord, ...]:
    """The records, in their order, that share nothing with the test in the sense of ``check_disjoint``.

    How many are left out is logged. Raises InputError for a picture that is missing or unreadable.
    """
    shared = _shared(records, test_records)
    logger.info(
        "%d of %d images are not independent of the test, so no examples are drawn from them", len(shared), len(records)
    )
    return tuple(record for place, record in enumerate(records) if place not in shared)


def _shared(support: Sequence[ImageRecord], test: Sequence[ImageRecord]) -> dict[int, str]:
    """Why an example may not be shown, by its place; where there are several reasons, the plainest."""
    return _look_alike(support, test) | _same_group(support, test) | _same_name(support, test)


def _same_name(support: Sequence[ImageRecord], test: Sequence[ImageRecord]) -> dict[int, str]:
    tested = {(record.dataset, record.path.name) for record in test}
    return {
        place: f"same name in {record.dataset}"
        for place, record in enumerate(support)
        if (record.dataset, record.path.name) in tested
    }


def _same_group(support: Sequence[ImageRecord], test: Sequence[ImageRecord]) -> dict[int, str]:
    tested = {(record.dataset, record.group) for record in test if record.group is not None}
    return {
        place: f"same group {record.group} in {record.dataset}"
        for place, record in enumerate(support)
        if (record.dataset, record.group) in tested
    }


def _look_alike(support: Sequence[ImageRecord], test: Sequence[ImageRecord]) -> dict[int, str]:
    pictures = read_pictures([record.path for record in (*support, *test)])
    alike = lookalikes(pictures[: len(support)], pictures[len(support) :])
    return {place: f"looks like {test[other].path.name}" for place, other in alike.items()}
