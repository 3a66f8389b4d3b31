"""Which examples UniverSeg is shown, and what they look like."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from pydantic import ValidationError
from universeg_files import write_record

from gdinousam.data.contract.reading import write_records
from gdinousam.data.images import read_image, read_mask
from gdinousam.errors import InputError
from gdinousam.methods.universeg.preprocessing import grey_square, label_square
from gdinousam.methods.universeg.support import (
    SupportSet,
    SupportSettings,
    draw_support,
    draws_of_phrases,
    load_draws,
    load_support,
    read_support,
    set_aside_notes,
)
from gdinousam.records import ImageRecord, Instance, MaskReference

FOLDER = Path("train")
MASK = MaskReference(FOLDER / "mask.png")


def settings(names: Path | None = None, **changed: object) -> SupportSettings:
    content = {"ann": "train.csv", "images": FOLDER, "masks": FOLDER, "size": 4, "names": names} | changed
    return SupportSettings.model_validate(content)


def record(name: str, dataset: str = "one", phrases: Sequence[str] = ("cyst",)) -> ImageRecord:
    """A record whose files are not needed."""
    instances = tuple(Instance(phrase, (0.0, 0.0, 5.0, 5.0), MASK) for phrase in phrases)
    absent = () if phrases else ("cyst",)
    return ImageRecord(FOLDER / name, 90, 70, dataset, None, instances, absent, (*phrases, *absent), "cyst")


RECORDS = [record(f"{number}.png", phrases=("cyst", "tumor") if number % 2 else ("cyst",)) for number in range(20)]
OTHERS = [record(f"other_{number}.png", "two") for number in range(9)]


def names(draw: Sequence[ImageRecord]) -> list[str]:
    return [one.path.name for one in draw]


def write_names(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_draw_has_the_asked_size_without_repeats_and_shows_the_phrase() -> None:
    (draw,) = draw_support(RECORDS, "one", "tumor", settings())
    assert len(set(names(draw))) == 4
    assert all(one.dataset == "one" and "tumor" in one.phrases for one in draw)


def test_the_draw_depends_neither_on_the_order_nor_on_other_datasets_nor_on_folders() -> None:
    draw = draw_support(RECORDS, "one", "cyst", settings(draws=2))
    assert draw == draw_support([*OTHERS, *reversed(RECORDS)], "one", "cyst", settings(draws=2))
    moved = [ImageRecord(Path("elsewhere") / one.path.name, **_fields(one)) for one in RECORDS]
    again = draw_support(moved, "one", "cyst", settings(draws=2))
    assert [names(one) for one in again] == [names(one) for one in draw]


def _fields(one: ImageRecord) -> dict[str, object]:
    return {name: getattr(one, name) for name in ImageRecord.__dataclass_fields__ if name != "path"}


def test_the_draw_is_the_same_on_every_machine() -> None:
    (draw,) = draw_support(RECORDS, "one", "cyst", settings())
    assert names(draw) == ["17.png", "2.png", "14.png", "1.png"]


def test_a_smaller_draw_is_the_beginning_of_a_larger_one() -> None:
    (small,) = draw_support(RECORDS, "one", "cyst", settings(size=3))
    (large,) = draw_support(RECORDS, "one", "cyst", settings(size=7))
    assert names(large)[:3] == names(small)


def test_an_image_that_leaves_changes_nothing_but_its_own_place() -> None:
    (draw,) = draw_support(RECORDS, "one", "cyst", settings(size=6))
    (without,) = draw_support([one for one in RECORDS if one != draw[2]], "one", "cyst", settings(size=6))
    assert names(without)[:5] == names(draw[:2] + draw[3:])


def test_seed_phrase_dataset_and_draw_all_change_what_is_drawn() -> None:
    both = [record(f"{number}.png", dataset, ("cyst", "tumor")) for dataset in ("one", "two") for number in range(40)]
    first, second = draw_support(both, "one", "cyst", settings(draws=2))
    (other_seed,) = draw_support(both, "one", "cyst", settings(seed=1))
    (other_phrase,) = draw_support(both, "one", "tumor", settings())
    (other_dataset,) = draw_support(both, "two", "cyst", settings())
    draws = [tuple(names(one)) for one in (first, second, other_seed, other_phrase, other_dataset)]
    assert len(set(draws)) == 5


def test_images_without_the_object_are_never_drawn() -> None:
    records = [*(record(f"empty_{number}.png", phrases=()) for number in range(30)), *RECORDS[:5]]
    for by in ("phrase", "dataset"):
        for draw in draw_support(records, "one", "cyst", settings(draws=3, by=by)):
            assert all(one.instances for one in draw)


def test_by_dataset_the_phrase_does_not_matter() -> None:
    cyst, tumor = (draw_support(RECORDS, "one", phrase, settings(by="dataset")) for phrase in ("cyst", "tumor"))
    assert cyst == tumor
    mixed = draw_support(RECORDS, "one", "never seen", settings(by="dataset", size=15))
    assert {one.phrases for one in mixed[0]} == {("cyst",), ("cyst", "tumor")}


def test_too_few_images_are_all_shown_once_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    (draw,) = draw_support(RECORDS, "one", "tumor", settings(size=16, draws=3))
    assert len(draw) == 10
    (line,) = caplog.messages
    assert "only 10 images of dataset 'one' show 'tumor', instead of 16" in line


def test_just_enough_images_are_one_draw_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert len(draw_support(RECORDS, "one", "tumor", settings(size=10, draws=3))) == 1
    assert not caplog.messages


@pytest.mark.parametrize(
    ("dataset", "phrase", "by"), [("one", "liver", "phrase"), ("three", "cyst", "phrase"), ("three", "cyst", "dataset")]
)
def test_where_no_image_shows_it_there_is_no_draw(dataset: str, phrase: str, by: str) -> None:
    assert draw_support(RECORDS, dataset, phrase, settings(by=by)) == []
    assert draws_of_phrases(RECORDS, dataset, [phrase], settings(by=by)) == {}


def test_phrases_without_a_draw_are_left_out() -> None:
    assert list(draws_of_phrases(RECORDS, "one", ["liver", "cyst"], settings())) == ["cyst"]


def test_listed_images_are_the_only_ones_drawn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_names(
        tmp_path / "names.csv", "dataset,image_name\none,3.png\n\none,7.png\ntwo,other_1.png\none,4.png\n"
    )
    (draw,) = draw_support([*RECORDS, *OTHERS], "one", "cyst", settings(path))
    assert set(names(draw)) == {"3.png", "4.png", "7.png"}
    (tumor,) = draw_support([*RECORDS, *OTHERS], "one", "tumor", settings(path, size=2))
    assert set(names(tumor)) == {"3.png", "7.png"}
    assert len(caplog.messages) == 1  # three for four


def test_a_list_of_excel_is_read(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(b"\xef\xbb\xbfdataset,image_name\r\none,3.png\r\n")
    (draw,) = draw_support(RECORDS, "one", "cyst", settings(path, size=1))
    assert names(draw) == ["3.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its first line must be dataset,image_name"),
        ("image_name\n3.png\n", "its first line must be dataset,image_name"),
        ("dataset,image_name\n", "names no image"),
        ("dataset,image_name\none\n", "row 2 is 'one'; it must hold a dataset and an image name"),
        ("dataset,image_name\none,3.png\n\none,\n", "row 4 is 'one,'"),
        ("dataset,image_name\none,3.png,x\n", "row 2 is 'one,3.png,x'"),
        ("dataset,image_name\none,3.png\none,3.png\n", "row 3 names 3.png of one again"),
        ("dataset,image_name\none,3.png\none,33.png\n", "1 of its images are not in the training file: 33.png of one"),
        ("dataset,image_name\nOne,3.png\n", "1 of its images are not in the training file: 3.png of One"),
        ('dataset,image_name\n"one,3.png\n', "not readable as a CSV"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write_names(tmp_path / "names.csv", text)
    with pytest.raises(InputError, match=message) as caught:
        draw_support([*RECORDS, *OTHERS], "one", "cyst", settings(path))
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("listed", ["one,2.png", "two,other_1.png"])
def test_a_list_without_an_image_that_shows_it_gives_no_draw(tmp_path: Path, listed: str) -> None:
    path = write_names(tmp_path / "names.csv", f"dataset,image_name\n{listed}\n")
    assert draw_support([*RECORDS, *OTHERS], "one", "tumor", settings(path)) == []


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such list of support images"):
        draw_support(RECORDS, "one", "cyst", settings(tmp_path / "names.csv"))


def test_a_dataset_with_images_set_aside_is_shown_those_alone(tmp_path: Path) -> None:
    training = [write_record(tmp_path / "train", f"{name}.png", dataset=name[:3]) for name in ("one_1", "two_1")]
    aside = [write_record(tmp_path / "support", f"{name}.png", dataset="two") for name in ("two_2", "two_3")]
    write_records(training, tmp_path / "train.CSV")
    write_records(aside, tmp_path / "support.CSV")
    source = {"ann": tmp_path / "support.CSV", "images": tmp_path / "support", "masks": tmp_path / "support"}
    given = settings(ann=tmp_path / "train.CSV", images=tmp_path / "train", masks=tmp_path / "train", set_aside=source)
    assert sorted(names(read_support(given))) == ["one_1.png", "two_2.png", "two_3.png"]
    note = "2 images of the dataset were set aside as UniverSeg's support set, and are not tested."
    assert set_aside_notes(given, ["one", "two"]) == {"two": note}
    alone = SupportSettings.model_validate({"set_aside": source})
    assert sorted(names(read_support(alone))) == ["two_2.png", "two_3.png"]
    assert draw_support(read_support(alone), "one", "cyst", alone) == []
    assert set_aside_notes(settings(), ["one", "two"]) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "name the images to draw from: ann, images and masks, or set_aside"),
        ({"ann": "train.csv", "images": "train"}, "ann, images and masks belong together"),
        ({"set_aside": {"ann": "support.CSV", "images": "support"}}, "masks"),
    ],
)
def test_a_source_is_named_whole(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SupportSettings.model_validate(content)


@pytest.mark.parametrize("changed", [{"size": 0}, {"draws": 0}, {"seed": -1}, {"by": "image"}, {"sice": 3}])
def test_impossible_settings_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**changed)


def test_listed_images_are_never_skipped_silently(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="skip_tested and names exclude each other"):
        settings(tmp_path / "names.csv", skip_tested=True)


def test_an_example_is_the_image_with_the_masks_of_the_phrase(tmp_path: Path) -> None:
    records = [write_record(tmp_path, "a.png", ("cyst", "tumor", "cyst")), write_record(tmp_path, "b.png", ("cyst",))]
    support = load_support(records, "cyst")
    assert support.images.shape == support.labels.shape == (2, 1, 128, 128)
    assert support.images.dtype == support.labels.dtype == torch.float32
    for row, one in enumerate(records):
        masks = [read_mask(instance.mask) for instance in one.instances if instance.phrase == "cyst" and instance.mask]
        assert torch.equal(support.images[row], grey_square(read_image(one.path)))
        assert torch.equal(support.labels[row], label_square(np.any(masks, axis=0)))
    assert not torch.equal(support.labels[0], load_support(records[:1], "tumor").labels[0])


def test_by_dataset_the_label_is_the_union_of_all_objects(tmp_path: Path) -> None:
    records = [write_record(tmp_path, "a.png", ("cyst", "tumor"))]
    parts = sum(load_support(records, phrase).labels for phrase in ("cyst", "tumor"))
    assert torch.equal(load_support(records, "whatever", by="dataset").labels, parts)


def test_equal_examples_are_read_into_one_object(tmp_path: Path) -> None:
    records = [write_record(tmp_path, f"{number}.png", ("cyst", "tumor")) for number in range(3)]
    pooled = settings(size=2, by="dataset")
    shared = load_draws(draws_of_phrases(records, "one", ["cyst", "tumor"], pooled), "dataset")
    assert list(shared) == ["cyst", "tumor"] and shared["cyst"][0] is shared["tumor"][0]
    own = load_draws(draws_of_phrases(records, "one", ["cyst", "tumor"], settings(size=3, draws=2)))
    assert not torch.equal(own["cyst"][0].labels, own["tumor"][0].labels)
    assert [len(draws) for draws in own.values()] == [1, 1]


def test_without_phrases_nothing_is_drawn() -> None:
    assert draws_of_phrases(RECORDS, "one", [], settings(by="dataset")) == {}


def test_an_object_that_vanishes_in_the_square_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = write_record(tmp_path, "a.png")
    mask = np.zeros((400, 400), dtype=np.uint8)
    mask[0, 0] = 255
    for name in ("a.png", "a_mask_0.png"):
        PILImage.fromarray(mask).save(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        support = load_support([one], "cyst")
    assert not support.labels.any()
    (line,) = caplog.messages
    assert "a.png: nothing of 'cyst' is left at 128 x 128 pixels" in line


def test_an_image_without_a_mask_is_refused(tmp_path: Path) -> None:
    one = write_record(tmp_path, "a.png")
    bare = ImageRecord(one.path, 90, 70, "one", None, (Instance("cyst", (0.0, 20.0, 20.0, 30.0)),))
    with pytest.raises(InputError, match=r"a\.png: no mask of 'cyst' to show UniverSeg"):
        load_support([bare], "cyst")


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    one = write_record(tmp_path, "a.png")
    PILImage.new("L", (9, 9)).save(tmp_path / "a_mask_0.png")
    with pytest.raises(InputError, match="mask of 9 x 9 for an image of 90 x 70"):
        load_support([one], "cyst")


@pytest.mark.parametrize("shape", [(0, 1, 128, 128), (2, 128, 128), (2, 1, 64, 64), (2, 3, 128, 128)])
def test_examples_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="S at least 1"):
        SupportSet(torch.zeros(shape), torch.zeros(shape))


def test_images_and_labels_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="S at least 1"):
        SupportSet(torch.zeros(2, 1, 128, 128), torch.zeros(3, 1, 128, 128))
