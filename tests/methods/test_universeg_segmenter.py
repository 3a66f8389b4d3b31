"""UniverSeg as a method: phrases choose the examples, the examples choose the mask."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from universeg_files import write_record

from gdinousam.data.contract.reading import write_records
from gdinousam.errors import InputError
from gdinousam.methods.universeg.network import UniverSegNetwork
from gdinousam.methods.universeg.preprocessing import grey_square, probability_of_size
from gdinousam.methods.universeg.segmenter import UniverSegSegmenter, load_universeg_segmenters
from gdinousam.methods.universeg.support import SupportSet, SupportSettings, load_support
from gdinousam.methods.universeg.weights import load_universeg
from gdinousam.records import Detection, Image, ImageRecord, PhraseSegmenter
from gdinousam.runtime import torch_seed

CPU = torch.device("cpu")


def random_support(seed: int, size: int = 2) -> SupportSet:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(size, 1, 16, 16, generator=generator)
    images = torch.nn.functional.interpolate(coarse, (128, 128), mode="bilinear")
    return SupportSet(images, (images > 0.5).float())


@pytest.fixture(scope="module")
def network() -> UniverSegNetwork:
    with torch_seed(0):
        return load_universeg("random-small")


@pytest.fixture(scope="module")
def segmenter(network: UniverSegNetwork) -> UniverSegSegmenter:
    return UniverSegSegmenter(network, {"cyst": [random_support(0)], "tumor": [random_support(1), random_support(2)]})


@contextmanager
def count_targets(network: UniverSegNetwork) -> Iterator[list[int]]:
    """Collect for each call of the network its number of targets."""
    calls: list[int] = []
    handle = network.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    try:
        yield calls
    finally:
        handle.remove()


def require_equal(first: Sequence[Detection], second: Sequence[Detection]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.phrase == other.phrase and one.score == pytest.approx(other.score, abs=1e-4)
        assert one.mask_hw is not None and other.mask_hw is not None
        assert (one.mask_hw == other.mask_hw).mean() > 0.9999


def test_every_phrase_gets_one_mask_of_the_size_of_its_image(
    segmenter: UniverSegSegmenter, phantom_images: list[Image]
) -> None:
    method: PhraseSegmenter = segmenter
    assert method.needs == {"support set"}
    answers = method.segment(phantom_images, [["cyst"], [], ["tumor", "cyst"]])
    assert [[one.phrase for one in answer] for answer in answers] == [["cyst"], [], ["tumor", "cyst"]]
    for image, answer in zip(phantom_images, answers, strict=True):
        for one in answer:
            assert one.mask_hw is not None and one.mask_hw.shape == image.shape[:2]
            assert 0.02 < one.mask_hw.mean() < 0.98 and 0.5 < one.score <= 1
    assert answers[2][0].mask_hw is not None and not np.array_equal(answers[2][0].mask_hw, answers[2][1].mask_hw)


def test_the_mask_is_the_mean_of_the_draws_resized_and_cut_at_a_half(
    network: UniverSegNetwork, segmenter: UniverSegSegmenter, phantom_images: list[Image]
) -> None:
    image = phantom_images[0]
    with torch.inference_mode():
        maps = [
            network(grey_square(image)[None], one.images[None], one.labels[None])[0, 0].sigmoid()
            for one in segmenter.support["tumor"]
        ]
    assert (maps[0] - maps[1]).abs().max() > 0.01
    expected = probability_of_size((maps[0] + maps[1]) / 2, image.shape[:2]).numpy()
    (one,) = segmenter.segment([image], [["tumor"]])[0]
    assert one.mask_hw is not None and (one.mask_hw == (expected > 0.5)).mean() > 0.9999
    assert one.score == pytest.approx(expected[expected > 0.5].mean(), abs=1e-4)
    rows, columns = np.nonzero(one.mask_hw)
    assert one.box_xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_batch_gives_the_answers_of_single_images(segmenter: UniverSegSegmenter, phantom_images: list[Image]) -> None:
    asked = [["cyst", "tumor"], ["tumor"], ["cyst"]]
    for image, phrases, answer in zip(phantom_images, asked, segmenter.segment(phantom_images, asked), strict=True):
        require_equal(answer, segmenter.segment([image], [phrases])[0])


def test_permuted_phrases_give_permuted_answers(segmenter: UniverSegSegmenter, phantom_images: list[Image]) -> None:
    there = segmenter.segment(phantom_images[:1], [["cyst", "tumor"]])[0]
    back = segmenter.segment(phantom_images[:1], [["tumor", "cyst"]])[0]
    require_equal(there, back[::-1])


def test_targets_of_one_support_set_go_through_the_network_together(
    network: UniverSegNetwork, phantom_images: list[Image]
) -> None:
    few = UniverSegSegmenter(network, {"cyst": [random_support(0, size=16)]})
    with count_targets(network) as calls:
        few.segment([phantom_images[0]] * 6, [["cyst"]] * 6)
    assert calls == [4, 2]
    many = UniverSegSegmenter(network, {"cyst": [random_support(0, size=65)]})
    with count_targets(network) as calls:
        many.segment(phantom_images[:2], [["cyst"]] * 2)
    assert calls == [1, 1]


def test_phrases_that_share_their_examples_take_one_run(network: UniverSegNetwork, phantom_images: list[Image]) -> None:
    shared = random_support(0)
    segmenter = UniverSegSegmenter(network, {"cyst": [shared], "tumor": [shared]}).to("cpu")
    with count_targets(network) as calls:
        cyst, tumor = segmenter.segment(phantom_images[:1], [["cyst", "tumor"]])[0]
    assert calls == [1]
    assert (cyst.phrase, tumor.phrase) == ("cyst", "tumor") and np.array_equal(cyst.mask_hw, tumor.mask_hw)


@pytest.mark.parametrize("num_images", [0, 2])
def test_where_nothing_is_asked_the_network_does_not_run(
    network: UniverSegNetwork, segmenter: UniverSegSegmenter, phantom_images: list[Image], num_images: int
) -> None:
    with count_targets(network) as calls:
        assert segmenter.segment(phantom_images[:num_images], [[]] * num_images) == [[]] * num_images
    assert calls == []


def test_a_phrase_that_is_not_found_has_no_entry(phantom_images: list[Image]) -> None:
    with torch_seed(0):
        network = load_universeg("random-small")
    network.output.bias.fill_(-1000)
    segmenter = UniverSegSegmenter(network, {"cyst": [random_support(0)]})
    assert segmenter.segment(phantom_images, [["cyst"]] * 3) == [[], [], []]


def test_a_phrase_without_examples_is_refused_before_the_network_runs(
    network: UniverSegNetwork, segmenter: UniverSegSegmenter, phantom_images: list[Image]
) -> None:
    with (
        count_targets(network) as calls,
        pytest.raises(InputError, match="no examples of 'cysts', only of cyst, tumor"),
    ):
        segmenter.segment(phantom_images[:2], [["cyst"], ["cysts"]])
    assert calls == []


def test_lists_of_different_length_are_refused(segmenter: UniverSegSegmenter, phantom_images: list[Image]) -> None:
    with pytest.raises(InputError, match="3 images but phrases of 1"):
        segmenter.segment(phantom_images, [["cyst"]])


def test_a_text_in_place_of_a_list_and_numbers_beyond_one_are_refused(
    segmenter: UniverSegSegmenter, phantom_images: list[Image]
) -> None:
    with pytest.raises(InputError, match=r"phrases\[0\] is the text 'cyst'"):
        segmenter.segment(phantom_images[:1], ["cyst"])
    with pytest.raises(InputError, match=r"images\[0\] has dtype float64"):
        segmenter.segment([phantom_images[0] * 1.0], [["cyst"]])
    (found,), (expected,) = (
        segmenter.segment([one], [["cyst"]]) for one in (phantom_images[0] / 255, phantom_images[0])
    )
    assert [one.score for one in found] == [one.score for one in expected]


def test_a_phrase_needs_a_draw(network: UniverSegNetwork) -> None:
    with pytest.raises(ValueError, match="no examples of 'cyst'"):
        UniverSegSegmenter(network, {"cyst": []})


@pytest.fixture
def training(tmp_path: Path) -> list[ImageRecord]:
    """Six images of two datasets, written with their CSV."""
    folder = tmp_path / "train"
    records = [write_record(folder, f"a_{number}.png", ("cyst", "tumor"), "one") for number in range(4)]
    records += [write_record(folder, f"b_{number}.png", ("liver",), "two") for number in range(2)]
    write_records(records, tmp_path / "train.csv")
    return records


def support_settings(tmp_path: Path, **changed: object) -> SupportSettings:
    content = {"ann": tmp_path / "train.csv", "images": tmp_path / "train", "masks": tmp_path / "train", "size": 2}
    return SupportSettings.model_validate(content | changed)


def test_every_tested_dataset_gets_its_segmenter(tmp_path: Path, training: list[ImageRecord]) -> None:
    test = [write_record(tmp_path / "test", f"{name}.png", ("tumor", "cyst")) for name in "xy"]
    segmenters = load_universeg_segmenters("random-small", support_settings(tmp_path, draws=2), test, CPU)
    assert {dataset: list(one.support) for dataset, one in segmenters.items()} == {"one": ["tumor", "cyst"]}
    assert [len(draws) for draws in segmenters["one"].support.values()] == [2, 2]
    test.append(write_record(tmp_path / "test", "z.png", ("liver",), "two"))
    segmenters = load_universeg_segmenters("random-small", support_settings(tmp_path), test, CPU)
    assert list(segmenters) == ["one", "two"] and segmenters["one"].network is segmenters["two"].network
    (liver,) = segmenters["two"].support["liver"]
    expected = {image.numpy().tobytes() for image in load_support(training[4:], "liver").images}
    assert {image.numpy().tobytes() for image in liver.images} == expected


def test_by_dataset_all_phrases_share_one_set(tmp_path: Path, training: list[ImageRecord]) -> None:
    test = [write_record(tmp_path / "test", "x.png", ("tumor", "cyst"))]
    (one,) = load_universeg_segmenters("random-small", support_settings(tmp_path, by="dataset"), test, CPU).values()
    assert one.support["tumor"][0] is one.support["cyst"][0]


def test_a_drawn_image_that_is_tested_is_refused_or_drawn_around(tmp_path: Path, training: list[ImageRecord]) -> None:
    test = [training[0]]
    with pytest.raises(InputError, match=r"1 of 4 support images are not independent of the test: a_0\.png"):
        load_universeg_segmenters("random-small", support_settings(tmp_path, size=4), test, CPU)
    around = support_settings(tmp_path, size=3, skip_tested=True)
    (one,) = load_universeg_segmenters("random-small", around, test, CPU).values()
    tested = load_support(test, "cyst").images[0]
    assert len(one.support["cyst"][0]) == 3
    assert not any(torch.equal(image, tested) for image in one.support["cyst"][0].images)


def test_what_no_training_image_shows_is_not_supported(tmp_path: Path, training: list[ImageRecord]) -> None:
    test = [
        write_record(tmp_path / "test", "x.png", ("cyst", "kidney")),
        write_record(tmp_path / "test", "y.png", ("cyst",), "three"),
    ]
    segmenters = load_universeg_segmenters("random-small", support_settings(tmp_path), test, CPU)
    assert {dataset: list(one.support) for dataset, one in segmenters.items()} == {"one": ["cyst"]}
    assert segmenters["one"].unsupported(test[0]) == {"kidney": "there is no example of the phrase"}


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        (("kidney",), r"train\.csv: no image shows a phrase of one, so UniverSeg cannot be shown any; add images"),
        ((), "UniverSeg is shown examples of each dataset of a test file; only test.py has one"),
    ],
)
def test_a_test_file_without_any_example_is_refused(
    tmp_path: Path, training: list[ImageRecord], phrases: tuple[str, ...], message: str
) -> None:
    test = [write_record(tmp_path / "test", "x.png", phrases)] if phrases else []
    with pytest.raises(InputError, match=message):
        load_universeg_segmenters("random-small", support_settings(tmp_path), test, CPU)
