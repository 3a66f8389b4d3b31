"""The authors' test that takes back what looks like no such object."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from biomedparse_files import small_biomedparse
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gdinousam.errors import InputError
from gdinousam.methods.biomedparse.absence import AbsenceSettings, AbsenceTest, Betas, load_absence_test, p_value
from gdinousam.methods.biomedparse.segmenter import BiomedParseSegmenter
from gdinousam.records import Image

LIKELY: Betas = ((8.0, 2.0), (4.0, 4.0), (4.0, 4.0), (4.0, 4.0))
RARE: Betas = ((1.0, 400.0), (1.0, 400.0), (400.0, 1.0), (400.0, 1.0))
positive = st.floats(0.5, 50)


def grey_image(value: int = 120) -> Image:
    return np.full((20, 30, 3), value, dtype=np.uint8)


def probability() -> np.ndarray:
    given = np.full((20, 30), 0.1)
    given[5:12, 4:20] = 0.8
    return given


def write_distributions(path: Path, content: Any = None) -> Path:
    tumor = {"tumor": [list(pair) for pair in LIKELY], "cyst": [list(pair) for pair in RARE]}
    path.write_text(json.dumps({"US-Breast": tumor} if content is None else content), encoding="utf-8")
    return path


@given(betas=st.tuples(*[st.tuples(positive, positive)] * 4), grey=st.integers(0, 255))
def test_it_is_the_product_of_four_kolmogorov_smirnov_tests(betas: Betas, grey: int) -> None:
    means = [0.8 * 255 / 256, *[grey / 256] * 3]
    values = [stats.ks_1samp([mean], stats.beta(a, b).cdf).pvalue for mean, (a, b) in zip(means, betas, strict=True)]
    expected = np.prod(values) ** 0.24
    assert p_value(grey_image(grey), probability(), betas) == pytest.approx(expected, abs=1e-4)


def test_only_pixels_inside_count() -> None:
    image = grey_image()
    image[0:5] = 255
    assert p_value(image, probability(), LIKELY) == p_value(grey_image(), probability(), LIKELY)
    image[6, 6] = 255
    assert p_value(image, probability(), LIKELY) != p_value(grey_image(), probability(), LIKELY)


def test_channels_have_distributions_of_their_own() -> None:
    betas: Betas = ((8.0, 2.0), (2.0, 8.0), (4.0, 4.0), (8.0, 2.0))
    red, blue = grey_image(), grey_image()
    red[..., 0], blue[..., 2] = 40, 40
    assert p_value(red, probability(), betas) > p_value(blue, probability(), betas)


def test_an_empty_mask_has_no_likelihood() -> None:
    assert p_value(grey_image(), np.full((20, 30), 0.5), LIKELY) == 0


def test_what_is_rare_for_its_object_is_taken_back() -> None:
    test = AbsenceTest({"tumor": LIKELY, "cyst": RARE}, {"breast tumor": "Tumor"}, 0.05)
    assert not test.is_absent("tumor", grey_image(), probability())
    assert not test.is_absent("Breast  tumor", grey_image(), probability())
    assert test.is_absent("cyst", grey_image(), probability())
    assert not test.is_absent("liver", grey_image(), probability())
    assert test.without_distributions(["tumor", "liver", "breast tumor"]) == ["liver"]
    strict = AbsenceTest({"tumor": LIKELY}, {}, 1.0)
    assert strict.is_absent("tumor", grey_image(), probability())
    assert not AbsenceTest({"cyst": RARE}, {}, 0.0).is_absent("cyst", grey_image(), probability())


def test_the_segmenter_leaves_out_what_is_taken_back(phantom_images: list[Image]) -> None:
    network = small_biomedparse()
    asked = [["cyst", "tumor", "liver"]]
    images = phantom_images[:1]
    assert [one.phrase for one in BiomedParseSegmenter(network).segment(images, asked)[0]] == asked[0]
    lenient: Betas = ((1.0, 1.0),) * 4  # type: ignore[assignment]
    test = AbsenceTest({"cyst": RARE, "tumor": lenient}, {}, 0.05)
    left = BiomedParseSegmenter(network, absence=test).segment(images, asked)[0]
    assert [one.phrase for one in left] == ["tumor", "liver"]


def test_the_file_is_read_and_phrases_without_distributions_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_distributions(tmp_path / "target_dist.json")
    settings = AbsenceSettings(distributions=path, modality="US-Breast", objects={"breast tumor": "tumor"})
    with caplog.at_level(logging.WARNING):
        test = load_absence_test(settings, ["breast tumor", "cyst", "fetal head"])
    assert test.is_absent("cyst", grey_image(), probability())
    assert not test.is_absent("breast tumor", grey_image(), probability())
    (record,) = caplog.records
    assert record.getMessage() == (
        "target_dist.json has no distributions of US-Breast for fetal head; what is found for them is never taken back"
    )


@pytest.mark.parametrize(
    ("content", "change", "message"),
    [
        (None, {"modality": "US-Liver"}, r"has no modality 'US-Liver'; it has US-Breast"),
        (None, {"objects": {"a": "mass"}}, r"US-Breast has no object 'mass', .* names for 'a'; it has tumor, cyst"),
        ({"US-Breast": {"tumor": [[1, 2]] * 3}}, {}, r"US-Breast.tumor.3: .*four pairs of positive numbers"),
        ({"US-Breast": {"tumor": [[1, 0]] * 4}}, {}, r"US-Breast.tumor.0.1: .*four pairs of positive numbers"),
        ({"US-Breast": {"tumor": [[1, float("inf")]] * 4}}, {}, r"US-Breast.tumor.0.1: .*four pairs"),
        ({"US-Breast": [1]}, {}, r"US-Breast: .*four pairs of positive numbers"),
        ([1], {}, r"holds no JSON object; fetch it again"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, content: Any, change: dict[str, Any], message: str) -> None:
    path = write_distributions(tmp_path / "target_dist.json", content)
    settings = AbsenceSettings(**{"distributions": path, "modality": "US-Breast"} | change)
    with pytest.raises(InputError, match=message):
        load_absence_test(settings, [])


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    settings = AbsenceSettings(distributions=tmp_path / "none.json", modality="US-Breast")
    with pytest.raises(InputError, match=r"none.json: no such file"):
        load_absence_test(settings, [])
