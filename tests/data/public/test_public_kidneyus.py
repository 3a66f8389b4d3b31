"""kidneyUS: phrases come from the annotation and not from a position, one group per image, every row of the paper."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from miniatures import box_mask, write_mask, write_picture, write_pixels

from gdinousam.data.images import image_size
from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.kidneyus import REGION_VALUES, KidneyUS, read_regions, script_rows
from gdinousam.data.sources.public.raw_masks import polygon_mask, read_grey_mask
from gdinousam.data.sources.public.registry import find_release
from gdinousam.data.splits.paper_split import paper_split
from gdinousam.data.splits.plan import SplitImage
from gdinousam.errors import InputError

EXCERPT = Path(__file__).parents[3].parent / "shared" / "data" / "raw" / "kidneyUS"
real_data = [
    pytest.mark.real_data,
    pytest.mark.skipif(not EXCERPT.is_dir(), reason="the excerpt of kidneyUS is not here"),
]

HEADER = (
    "filename", "file_size", "file_attributes", "region_count", "region_id", "region_shape_attributes",
    "region_attributes",
)  # fmt: skip
KIDNEY, ECHO, MEDULLA, CORTEX = (8, 8, 60, 40), (30, 20, 16, 12), (14, 12, 10, 10), (12, 36, 50, 8)
ALL_FOUR = ("Capsule", "Central Echo Complex", "Medulla", "Cortex")


def lines_of(name: str, anatomies, ids=None) -> list[tuple[str, ...]]:
    """The lines of a file in the label table; one line without anatomy for a file without outlines."""
    ids = range(len(anatomies)) if ids is None else ids
    found = [
        (name, "1", "{}", str(len(anatomies)), str(number), '{"name":"polygon"}', json.dumps({"Anatomy": anatomy}))
        for number, anatomy in zip(ids, anatomies, strict=True)
    ]
    return found or [(name, "1", "{}", "0", "0", "{}", "{}")]


def write_table(root: Path, lines) -> None:
    path = root / "labels" / "reviewed_labels_2.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *lines])


def write_masks(root: Path, name: str, capsule=(), regions=()) -> None:
    """capsule: boxes of value 1. regions: boxes with their values; the last one lies on top."""
    masks = root / "labels" / "reviewed_masks_2"
    write_mask(masks / "capsule" / name, capsule, value=1)
    labels = box_mask([])
    for box, value in regions:
        labels[box_mask([box]) > 0] = value
    write_pixels(masks / "regions" / name, labels)


def write_file(root: Path, name: str, capsule=(), regions=()) -> None:
    write_picture(root / "images" / name)
    write_masks(root, name, capsule, regions)


FULL, SWAPPED, BLANK = "1_IM-0001-0059_anon.png", "2_IM-0383-0001_anon.png", "10_IM-0007-0001-0002_anon.png"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A file with all four structures, one whose second line is the medulla, and one without outlines."""
    root = tmp_path / "kidneyUS"
    write_lines_of_full(root, lines_of(FULL, ALL_FOUR))
    write_file(root, FULL, [KIDNEY], [(ECHO, 1), (MEDULLA, 2), (CORTEX, 3)])
    write_file(root, SWAPPED, [KIDNEY], [(MEDULLA, 2)])
    write_file(root, BLANK)
    return root


def write_lines_of_full(root: Path, lines) -> None:
    """The table of ``release`` with other lines for its first file."""
    write_table(root, [*lines, *lines_of(SWAPPED, ["Capsule", "Medulla"]), *lines_of(BLANK, [])])


def read_one(root: Path, name: str):
    case = next(case for case in KidneyUS().cases(root) if case.image.name == name)
    (raw,) = KidneyUS().read(case)
    return raw


def boxes_of(raw) -> list[tuple[str, tuple[int, int, int, int]]]:
    return [(one.phrase, tight_box_xywh(one.mask_hw)) for one in raw.instances]


def test_an_image_has_up_to_four_phrases_each_with_its_own_mask(release):
    assert boxes_of(read_one(release, FULL)) == [
        ("kidney capsule", KIDNEY),
        ("kidney central echo complex", ECHO),
        ("kidney medulla", MEDULLA),
        ("kidney cortex", CORTEX),
    ]


def test_the_phrase_comes_from_the_annotation_and_not_from_region_id(release):
    raw = read_one(release, SWAPPED)
    assert [phrase for phrase, _ in boxes_of(raw)] == ["kidney capsule", "kidney medulla"]
    # what the paper's script reads instead
    assert [row.phrase for row in raw.paper_rows] == ["kidney capsule", "kidney central echo complex"]


def test_a_pixel_of_two_overlapping_polygons_belongs_to_the_region_of_the_mask_file(release):
    write_masks(release, FULL, [KIDNEY], [(ECHO, 1), (CORTEX, 3), ((20, 24, 20, 20), 2)])
    raw = read_one(release, FULL)
    regions = np.stack([one.mask_hw for one in raw.instances if one.phrase != "kidney capsule"])
    assert regions.sum(axis=0).max() == 1


def test_each_component_of_a_structure_is_an_object(release):
    second = (50, 12, 10, 10)
    write_masks(release, SWAPPED, [KIDNEY], [(MEDULLA, 2), (second, 2)])
    boxes = boxes_of(read_one(release, SWAPPED))
    assert sorted(boxes[1:]) == [("kidney medulla", MEDULLA), ("kidney medulla", second)]


def test_the_paper_gives_every_region_line_all_contours_of_the_union_mask(release):
    names = Counter(row.counts_as for row in read_one(release, FULL).paper_rows)
    stem = Path(FULL).stem
    # ECHO, MEDULLA and CORTEX do not touch: three contours under each of the three prompts
    assert names == {
        f"{stem}_capsule": 1,
        f"{stem}_central echo complex": 3,
        f"{stem}_medulla": 3,
        f"{stem}_cortex": 3,
    }


def test_polygons_beyond_the_fourth_are_no_paper_rows(release):
    write_lines_of_full(release, lines_of(FULL, [*ALL_FOUR, "Medulla", "Cortex"]))
    assert len(read_one(release, FULL).paper_rows) == 1 + 3 * 3


def test_a_region_id_that_occurs_twice_in_a_file_gives_its_paper_rows_twice(release):
    write_lines_of_full(release, lines_of(FULL, ALL_FOUR, ids=[0, 1, 0, 1]))
    rows = read_one(release, FULL).paper_rows
    assert [row.phrase for row in rows] == (["kidney capsule"] + ["kidney central echo complex"] * 3) * 2


def test_a_file_without_outlines_is_neither_normal_nor_a_target(release):
    labels = {case.image.name: case.label for case in KidneyUS().cases(release)}
    assert labels == {FULL: "annotated", SWAPPED: "annotated", BLANK: "unannotated"}
    raw = read_one(release, BLANK)
    assert (raw.instances, raw.paper_rows) == ((), ())


def test_an_image_that_the_table_does_not_list_is_unannotated(release):
    extra = "77_IM-0099-0001_anon.png"
    write_picture(release / "images" / extra)
    assert KidneyUS().cases(release)[-1].label == "unannotated"
    assert read_one(release, extra).instances == ()


def test_cases_keep_the_order_of_the_label_table(release):
    write_table(release, [*lines_of(BLANK, []), *lines_of(FULL, ALL_FOUR), *lines_of(SWAPPED, ["Capsule", "Medulla"])])
    assert [case.image.name for case in KidneyUS().cases(release)] == [BLANK, FULL, SWAPPED]


def test_files_of_one_image_and_files_of_one_number_share_a_group(tmp_path):
    names = [
        "3_IM-0500-0001_anon.png",  # alone
        "104_IM-0112-0030_anon.png",
        "104_IM-0112-0078_anon.png",  # the same number as above
        "401_IM-0112-0078_anon.png",  # the same image as above
        "401_IM-0046-5120_anon.png",  # the same number as above
        "5_IM-0500-0001-0002_anon.png",  # another image than the first
    ]
    write_table(tmp_path, [line for name in names for line in lines_of(name, [])])
    for name in names:
        write_file(tmp_path, name)
    groups = [case.group for case in KidneyUS().cases(tmp_path)]
    first = "104_IM-0112-0030_anon"
    assert groups == ["3_IM-0500-0001_anon", first, first, first, first, "5_IM-0500-0001-0002_anon"]


def test_without_images_the_message_says_where_to_register(release):
    shutil.rmtree(release / "images")
    with pytest.raises(InputError, match=r"register at https://github\.com/rsingla92/kidneyUS.*images"):
        KidneyUS().cases(release)


def test_the_release_is_found_although_its_images_are_not_there_yet(release):
    shutil.rmtree(release / "images")
    assert find_release(KidneyUS(), release.parent) == release


@pytest.mark.parametrize("lost", [f"images/{FULL}", f"labels/reviewed_masks_2/regions/{SWAPPED}"])
def test_a_missing_file_of_kidneyus_is_named(release, lost):
    (release / lost).unlink()
    with pytest.raises(InputError, match=f"incomplete download of kidneyUS, 1 files missing: {lost}"):
        KidneyUS().cases(release)


def test_a_mask_without_a_line_in_the_label_table_is_refused(release):
    write_table(release, lines_of(FULL, ALL_FOUR))
    with pytest.raises(InputError, match=f"no line for 4 of 6 masks, such as .*/capsule/{SWAPPED}"):
        KidneyUS().cases(release)


def test_a_value_that_is_no_structure_is_refused(release):
    write_masks(release, SWAPPED, [KIDNEY], [(MEDULLA, 4)])
    with pytest.raises(InputError, match=f"{SWAPPED}: holds the value 4"):
        read_one(release, SWAPPED)


def test_masks_and_table_that_disagree_are_refused(release):
    write_masks(release, SWAPPED, [KIDNEY], [(MEDULLA, 3)])
    with pytest.raises(InputError, match=r"the masks hold capsule, cortex, .* names capsule, medulla"):
        read_one(release, SWAPPED)


@pytest.mark.parametrize("attributes", ['{"Anatomy":"Liver"}', "no json", "[]", '{"Anatomy":3}'])
def test_a_line_without_a_known_anatomy_is_named(release, attributes):
    write_table(release, [(FULL, "1", "{}", "1", "0", "{}", attributes)])
    with pytest.raises(InputError, match=f"reviewed_labels_2.csv: {FULL}"):
        KidneyUS().cases(release)


def test_a_table_that_was_replaced_is_read_again(release):
    read_one(release, SWAPPED)
    write_table(
        release,
        [*lines_of(FULL, ALL_FOUR), *lines_of(SWAPPED, ["Capsule", "Cortex"]), *lines_of(BLANK, [])],
    )
    os.utime(release / "labels" / "reviewed_labels_2.csv", ns=(1, 1))
    with pytest.raises(InputError, match="names capsule, cortex"):
        read_one(release, SWAPPED)


def real_polygons() -> dict[str, list[tuple[int, str, list[tuple[int, int]]]]]:
    """Number, anatomy and corners of each polygon of the real label table, by file."""
    polygons = {}
    with (EXCERPT / "labels" / "reviewed_labels_2.csv").open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            found = polygons.setdefault(line["filename"], [])
            shape = json.loads(line["region_shape_attributes"])
            if shape:
                points = list(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
                found.append((int(line["region_id"]), json.loads(line["region_attributes"])["Anatomy"].lower(), points))
    return polygons


def drawn_masks(polygons, size_hw):
    """The two mask files of an image as its authors drew them: polygon by polygon, the later one on top."""
    capsule, regions = np.zeros(size_hw, dtype=np.uint8), np.zeros(size_hw, dtype=np.uint8)
    value_of = {structure: value for value, structure in REGION_VALUES.items()}
    for _, structure, points in polygons:
        target, value = (capsule, 1) if structure == "capsule" else (regions, value_of[structure])
        target[polygon_mask(points, size_hw)] = value
    return capsule, regions


@pytest.fixture
def real_release(tmp_path: Path) -> Path:
    """The real labels and masks as far as the excerpt has both, with grey pictures in the place of the images."""
    shutil.copytree(EXCERPT / "labels" / "reviewed_masks_2", tmp_path / "labels" / "reviewed_masks_2")
    names = {path.name for path in (EXCERPT / "labels" / "reviewed_masks_2" / "capsule").iterdir()}
    for name in names:
        width, height = image_size(EXCERPT / "labels" / "reviewed_masks_2" / "capsule" / name)
        write_picture(tmp_path / "images" / name, size_hw=(height, width))
    with (EXCERPT / "labels" / "reviewed_labels_2.csv").open(newline="", encoding="utf-8") as file:
        write_table(tmp_path, [line for line in csv.reader(file) if line[0] in names])
    return tmp_path


class TestRealLabels:
    pytestmark = real_data

    def test_the_real_masks_give_each_structure_of_the_label_table_its_own_mask(self, real_release):
        polygons = real_polygons()
        phrases = Counter()
        for case in KidneyUS().cases(real_release):
            (raw,) = KidneyUS().read(case)
            phrases.update(one.phrase for one in raw.instances)
            drawn = drawn_masks(polygons[case.image.name], raw.image.shape[:2])
            for path, expected in zip(case.masks, drawn, strict=True):
                assert np.array_equal(read_grey_mask(path), expected)
            named = {f"kidney {structure}" for _, structure, _ in polygons[case.image.name]}
            assert {one.phrase for one in raw.instances} == named
        assert phrases == {
            "kidney capsule": 11,
            "kidney central echo complex": 10,
            "kidney medulla": 7,
            "kidney cortex": 7,
        }

    def test_the_paper_split_of_the_real_labels_is_that_of_table_1(self):
        # The excerpt holds 24 of the 1,068 masks; the test above shows that the polygons give them pixel by pixel.
        polygons = real_polygons()
        regions_of_file = read_regions(EXCERPT / "labels" / "reviewed_labels_2.csv")
        assert list(regions_of_file) == list(polygons)
        images = []
        for file_name, regions in regions_of_file.items():
            corners = [point for *_, points in polygons[file_name] for point in points]
            width, height = (max((point[axis] for point in corners), default=0) + 2 for axis in (0, 1))
            capsule, union = drawn_masks(polygons[file_name], (height, width))
            rows = script_rows([region.region_id for region in regions], capsule, union, file_name)
            phrases = tuple({f"kidney {region.structure}" for region in regions})
            images.append(SplitImage(file_name, file_name, phrases, None, rows))
        plan = paper_split(images, "seen", ())
        assert sum(len(image.paper_rows) for image in images) == 2592
        assert plan.num_rows == {"train": 1814, "val": 518, "test": 260}
        assert plan.counted == {"train": 1257, "val": 465, "test": 241}
        assert tuple(plan.counted.values()) == KidneyUS.facts.paper_counts

    def test_the_real_files_are_joined_by_image_and_number(self, tmp_path):
        names = list(read_regions(EXCERPT / "labels" / "reviewed_labels_2.csv"))
        shutil.copytree(EXCERPT / "labels", tmp_path / "labels", ignore=shutil.ignore_patterns("reviewed_masks_2"))
        for folder in ("images", "labels/reviewed_masks_2/capsule", "labels/reviewed_masks_2/regions"):
            (tmp_path / folder).mkdir(parents=True)
            for name in names:
                (tmp_path / folder / name).touch()
        cases = KidneyUS().cases(tmp_path)
        assert Counter(case.label for case in cases) == KidneyUS.facts.expected
        group_of = {case.name: case.group for case in cases}
        assert (
            group_of["104_IM-0112-0078_anon"] == group_of["401_IM-0112-0078_anon"] == group_of["413_IM-0112-0078_anon"]
        )
        groups_of_image = {}
        for name, group in group_of.items():
            groups_of_image.setdefault(name.split("_", 1)[1], set()).add(group)
        assert len(groups_of_image) == 514
        assert all(len(groups) == 1 for groups in groups_of_image.values())
