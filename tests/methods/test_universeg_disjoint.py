"""Examples that are tested too are refused by name, or left out where that is asked for."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as PILImage
from universeg_files import write_record

from gdinousam.errors import InputError
from gdinousam.methods.universeg.segmenter import check_disjoint, without_tested
from gdinousam.records import ImageRecord


def images(folder: Path, prefix: str, count: int) -> list[ImageRecord]:
    return [write_record(folder, f"{prefix}_{number}.png") for number in range(count)]


def refusal(support: list[ImageRecord], test: list[ImageRecord]) -> str:
    with pytest.raises(InputError) as caught:
        check_disjoint(support, test)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_strangers_pass(tmp_path: Path) -> None:
    support, test = images(tmp_path, "train", 4), images(tmp_path, "test", 4)
    check_disjoint(support, test)
    assert without_tested(support, test) == tuple(support)


def test_nothing_shares_nothing(tmp_path: Path) -> None:
    check_disjoint([], images(tmp_path, "test", 2))
    check_disjoint(images(tmp_path, "train", 2), [])


def test_the_same_name_in_a_dataset_is_refused_whatever_it_shows(tmp_path: Path) -> None:
    support = [*images(tmp_path, "train", 2), write_record(tmp_path / "a", "case.png", seed=1)]
    test = [write_record(tmp_path / "b", "case.png", seed=2)]
    assert refusal(support, test).startswith(
        "1 of 3 support images are not independent of the test: case.png (same name in one); set"
    )
    other_dataset = [write_record(tmp_path / "b", "case.png", dataset="two", seed=2)]
    check_disjoint(support, other_dataset)


def test_the_same_group_in_a_dataset_is_refused(tmp_path: Path) -> None:
    support = [*images(tmp_path, "train", 2), write_record(tmp_path, "a.png", group="patient 7")]
    test = [write_record(tmp_path, "b.png", group="patient 7")]
    assert "a.png (same group patient 7 in one)" in refusal(support, test)
    check_disjoint(support, [write_record(tmp_path, "b.png", dataset="two", group="patient 7")])
    check_disjoint(support, [write_record(tmp_path, "b.png", group="patient 8")])


def test_images_without_a_group_share_none(tmp_path: Path) -> None:
    check_disjoint([write_record(tmp_path, "a.png", group=None)], [write_record(tmp_path, "b.png", group=None)])


@pytest.mark.parametrize("quality", [None, 80], ids=["a copy", "recompressed at half size"])
def test_a_picture_that_is_tested_is_refused_under_any_name(tmp_path: Path, quality: int | None) -> None:
    support, test = images(tmp_path, "train", 3), images(tmp_path, "test", 3)
    with PILImage.open(support[1].path) as image:
        if quality is None:
            image.save(test[2].path)
        else:
            image.resize((45, 35)).save(tmp_path / "copy.jpg", quality=quality)
            test[2] = replace(test[2], path=tmp_path / "copy.jpg")
    test[2] = replace(test[2], dataset="two")
    expected = f"1 of 3 support images are not independent of the test: train_1.png (looks like {test[2].path.name})"
    assert refusal(support, test).startswith(expected)
    assert without_tested(support, test) == (support[0], support[2])


def test_two_alike_examples_pass_and_count_once(tmp_path: Path) -> None:
    support, test = images(tmp_path, "train", 2), images(tmp_path, "test", 2)
    check_disjoint([support[0], support[0], support[1]], test)
    assert refusal([support[0], support[0], support[1]], [support[0]]).startswith("1 of 2 support images")


def test_many_are_counted_and_the_first_few_named(tmp_path: Path) -> None:
    support = images(tmp_path, "train", 8)
    message = refusal(support, support)
    assert message.startswith(
        "8 of 8 support images are not independent of the test: train_0.png (same name in one), train_1.png"
    )
    assert "train_4.png" in message and "train_5.png" not in message and ", ...; set skip_tested" in message


def test_what_is_left_out_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    support = images(tmp_path, "train", 3)
    with caplog.at_level("INFO"):
        assert without_tested(support, support[:1]) == tuple(support[1:])
    assert "1 of 3 images are not independent of the test" in caplog.text


def test_a_missing_picture_is_refused(tmp_path: Path) -> None:
    support, test = images(tmp_path, "train", 1), images(tmp_path, "test", 1)
    test[0].path.unlink()
    assert "test_0.png" in refusal(support, test)
