"""Whether what was found can be there: the test that comes with BiomedParse's weights.

For each kind of object the authors fitted four beta distributions, of numbers that its mask has: the mean probability
inside it, and the mean red, green and blue of the image there. A mask whose numbers would be rare for its object is
taken back. The test only takes back; it never finds anything.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter, ValidationError
from scipy import stats

from gdinousam.errors import InputError
from gdinousam.identity import phrase_identity
from gdinousam.reading import read_json_object
from gdinousam.records import Image
from gdinousam.settings import Settings, SettingsPath

logger = logging.getLogger(__name__)

_FEWEST_BYTE = 128  # probabilities count as bytes, and pixels from here on are inside
_BYTES = 256
_EXPONENT = 0.24  # brings the product of four p-values back to the scale of one, in the official code

Shape = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Beta = tuple[Shape, Shape]
Betas = tuple[Beta, Beta, Beta, Beta]
_OBJECTS = TypeAdapter(dict[str, Betas])


class AbsenceSettings(Settings):
    """When a mask is taken back because its object does not look like that."""

    distributions: SettingsPath = Field(description="target_dist.json, which is published beside the weights.")
    modality: str = Field(description="The part of that file that is about such images.")
    objects: dict[str, str] = Field({}, description="Names of objects in that file, for phrases that are not in it.")
    level: float = Field(0.05, ge=0, le=1, description="Masks with a p-value below it are taken back.")


class AbsenceTest:
    """The test with the distributions of one modality.

    betas: by what the file calls an object. objects, level: as in ``AbsenceSettings``.
    """

    def __init__(self, betas: Mapping[str, Betas], objects: Mapping[str, str], level: float) -> None:
        self._betas = {phrase_identity(name): one for name, one in betas.items()}
        self._objects = {phrase_identity(phrase): phrase_identity(name) for phrase, name in objects.items()}
        self._level = level

    def is_absent(self, phrase: str, image: Image, probability_hw: npt.NDArray[np.floating]) -> bool:
        """Whether what was found for the phrase is to be taken back; never for a phrase without distributions.

        image: (H, W, 3) uint8 RGB. probability_hw: (H, W) in [0, 1].
        """
        betas = self._of(phrase)
        return betas is not None and p_value(image, probability_hw, betas) < self._level

    def without_distributions(self, phrases: Sequence[str]) -> list[str]:
        """The phrases that are not tested, in order."""
        return [phrase for phrase in phrases if self._of(phrase) is None]

    def _of(self, phrase: str) -> Betas | None:
        name = phrase_identity(phrase)
        return self._betas.get(self._objects.get(name, name))


def load_absence_test(settings: AbsenceSettings, phrases: Sequence[str]) -> AbsenceTest:
    """The test that the settings name; logs which of the phrases have no distributions.

    Raises InputError for a file that is missing or of another form, for a modality that it does not have, and for an
    object of ``objects`` that the modality does not have.
    """
    path = settings.distributions
    betas = _read_betas(path, settings.modality)
    known = {phrase_identity(name) for name in betas}
    for phrase, name in settings.objects.items():
        if phrase_identity(name) not in known:
            raise InputError(
                f"{path}: {settings.modality} has no object {name!r}, which baseline.absence.objects names for "
                f"{phrase!r}; it has {', '.join(betas)}"
            )
    test = AbsenceTest(betas, settings.objects, settings.level)
    if untested := test.without_distributions(phrases):
        logger.warning(
            "%s has no distributions of %s for %s; what is found for them is never taken back",
            path.name,
            settings.modality,
            ", ".join(untested),
        )
    return test


def p_value(image: Image, probability_hw: npt.NDArray[np.floating], betas: Betas) -> float:
    """How likely numbers as rare as those of the mask are for the object, in [0, 1]; 0 for an empty mask.

    image: (H, W, 3) uint8 RGB. probability_hw: (H, W) in [0, 1]. betas: of probability, red, green and blue.
    """
    in_bytes = probability_hw * (_BYTES - 1)
    inside = in_bytes >= _FEWEST_BYTE
    if not inside.any():
        return 0.0
    means = (in_bytes[inside].mean(dtype=np.float64), *image[inside].mean(axis=0, dtype=np.float64))
    product = 1.0
    for mean, (a, b) in zip(means, betas, strict=True):
        rarest = min(stats.beta.cdf(mean / _BYTES, a, b), stats.beta.sf(mean / _BYTES, a, b))
        product *= 2 * float(rarest)  # what a Kolmogorov-Smirnov test says of a single number
    return product**_EXPONENT


def _read_betas(path: Path, modality: str) -> dict[str, Betas]:
    content = read_json_object(path, "fetch it again")
    if modality not in content:
        raise InputError(f"{path} has no modality {modality!r}; it has {', '.join(content)}")
    try:
        return _OBJECTS.validate_python(content[modality])
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, (modality, *problem["loc"])))
        raise InputError(
            f"{path}: {place}: {problem['msg']}; four pairs of positive numbers are expected for each object"
        ) from error
