"""BrEaST: the table's order, normal cases, masks of other findings, alpha channels, the paper's one row per mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import PIL.Image
import pytest
from miniatures import write_mask, write_picture, write_pixels

from gdinousam.data.masks import tight_box_xywh
from gdinousam.data.sources.public.breast import TABLE, BrEaST
from gdinousam.data.sources.public.interface import NORMAL
from gdinousam.data.sources.public.registry import find_release
from gdinousam.errors import InputError

FOLDER = "BrEaST-Lesions_USG-images_and_masks"
HEADER = ("CaseID", "Image_filename", "Mask_tumor_filename", "Mask_other_filename", "BIRADS", "Classification")
BOX, SMALL = (10, 16, 24, 24), (60, 2, 6, 6)
LINES = [
    (2, "case002.png", "case002_tumor.png", "case002_other1.png&case002_other2.png", "4a", "malignant"),
    (1, "case001.png", "case001_tumor.png", None, "2", "benign"),
    (45, "case045.png", None, None, "1", "normal"),
]


def write_table(path: Path, lines=LINES, header=HEADER) -> None:
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for line in (header, *lines):
            book.active.append(line)
        book.save(path)
    else:
        path.write_text("\n".join(",".join(str(cell or "") for cell in line) for line in (header, *lines)))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "release"
    folder = root / FOLDER
    for number in (1, 2, 45):
        write_picture(folder / f"case{number:03d}.png", seed=number)
    write_mask(folder / "case001_tumor.png", [BOX])
    write_mask(folder / "case002_tumor.png", [SMALL, BOX])
    for number in (1, 2):
        write_mask(folder / f"case002_other{number}.png", [(40, 40, 10, 10)])
    write_table(root / f"{TABLE}.xlsx")
    return root


def read_one(root: Path, name: str):
    case = next(case for case in BrEaST().cases(root) if case.name == name)
    (raw,) = BrEaST().read(case)
    return raw


@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
def test_cases_come_in_the_tables_order_from_spreadsheet_or_csv(release, suffix):
    (release / f"{TABLE}.xlsx").unlink()
    write_table(release / f"{TABLE}{suffix}")
    cases = BrEaST().cases(release)
    assert [case.name for case in cases] == ["case002", "case001", "case045"]
    assert [case.label for case in cases] == ["malignant", "benign", NORMAL]


def test_the_case_id_is_the_patient(release):
    assert [(case.group, case.group_kind) for case in BrEaST().cases(release)] == [
        ("2", "patient"), ("1", "patient"), ("45", "patient")
    ]  # fmt: skip


def test_a_normal_case_has_no_mask_no_object_and_no_paper_row(release):
    raw = read_one(release, "case045")
    assert raw.instances == raw.paper_rows == ()


def test_masks_of_other_findings_are_left_aside(release):
    raw = read_one(release, "case002")
    assert [tight_box_xywh(one.mask_hw) for one in raw.instances] == [BOX, SMALL]
    assert {path.name for case in BrEaST().cases(release) for path in case.masks} == {
        "case001_tumor.png", "case002_tumor.png"
    }  # fmt: skip


def test_a_mask_of_two_components_gives_two_objects_but_one_paper_row(release):
    raw = read_one(release, "case002")
    assert [one.phrase for one in raw.instances] == ["malignant", "malignant"]
    assert [(row.phrase, row.counts_as) for row in raw.paper_rows] == [("malignant", "case002")]


def test_an_alpha_channel_that_is_opaque_changes_nothing_and_transparent_parts_become_black(release):
    path = release / FOLDER / "case001.png"
    pixels = np.array(PIL.Image.open(path).convert("RGBA"))
    write_pixels(path, pixels)
    assert (read_one(release, "case001").image == pixels[:, :, :3]).all()
    pixels[:10, :, 3] = 0
    write_pixels(path, pixels)
    image = read_one(release, "case001").image
    assert not image[:10].any()
    assert (image[10:] == pixels[10:, :, :3]).all()


def test_a_picture_that_is_transparent_all_over_is_refused_instead_of_written_black(release):
    path = release / FOLDER / "case001.png"
    pixels = np.array(PIL.Image.open(path).convert("RGBA"))
    pixels[:, :, 3] = 0
    write_pixels(path, pixels)
    with pytest.raises(InputError, match=r"case001\.png: shows nothing"):
        read_one(release, "case001")


@pytest.mark.parametrize("lost", ["case001.png", "case002_tumor.png", "case045.png"])
def test_a_file_that_the_table_names_but_is_not_there_is_named(release, lost):
    (release / FOLDER / lost).unlink()
    with pytest.raises(InputError, match=f"incomplete download of BrEaST.*{lost}"):
        BrEaST().cases(release)


def test_an_image_without_a_row_is_named(release):
    write_table(release / f"{TABLE}.xlsx", LINES[1:])
    with pytest.raises(InputError, match=r"2 files have no row, the first is case002\.png"):
        BrEaST().cases(release)


def test_a_lesion_mask_of_a_normal_case_is_refused(release):
    write_mask(release / FOLDER / "case045_tumor.png", [BOX])
    with pytest.raises(InputError, match=r"case045_tumor\.png"):
        BrEaST().cases(release)


@pytest.mark.parametrize(
    "line", [(1, "case001.png", "", "", "2", "unknown"), (None, "case001.png", "", "", "2", "benign")]
)
def test_a_row_without_a_known_class_or_case_id_is_refused(release, line):
    write_table(release / f"{TABLE}.xlsx", [line])
    with pytest.raises(InputError, match=r"case001\.png has CaseID"):
        BrEaST().cases(release)


def test_a_table_without_its_columns_is_refused(release):
    write_table(release / f"{TABLE}.xlsx", header=(*HEADER[:-1], "Classificaton"))
    with pytest.raises(InputError, match=r"Classification \(nearest: Classificaton\)"):
        BrEaST().cases(release)


def test_a_release_without_its_table_is_refused(release):
    (release / f"{TABLE}.xlsx").unlink()
    with pytest.raises(InputError, match=f"no table {TABLE}.xlsx or {TABLE}.csv"):
        BrEaST().cases(release)


def test_images_may_lie_in_the_folder_of_their_archive(release):
    (release / f"{FOLDER}-Dec-15-2023").mkdir()
    (release / FOLDER).rename(release / f"{FOLDER}-Dec-15-2023" / FOLDER)
    assert find_release(BrEaST(), release.parent) == release
    assert len(BrEaST().cases(release)) == 3


def test_two_copies_of_the_images_are_refused(release):
    write_mask(release / "copy" / "case001_tumor.png", [BOX])
    with pytest.raises(InputError, match="lesion masks in both"):
        BrEaST().cases(release)
