"""Parts of a training set that grow: a smaller one lies within a larger, and nothing but names and seed decides."""

from __future__ import annotations

from pathlib import Path

from gdinousam.data.splits.nested import drawn_units
from gdinousam.records import ImageRecord

# six patients with one to three images each, and two images of nobody
RECORDS = [
    ImageRecord(Path(f"{patient}_{image}.png"), 9, 9, "heart", group=f"patient {patient}")
    for patient in range(6)
    for image in range(1 + patient % 3)
] + [ImageRecord(Path(f"alone_{number}.png"), 9, 9, "heart") for number in range(2)]


def names(units: list[tuple[ImageRecord, ...]]) -> list[list[str]]:
    return [[record.path.name for record in unit] for unit in units]


def test_a_patient_is_one_unit_and_an_image_of_nobody_is_one_too() -> None:
    units = names(drawn_units(RECORDS, by_group=True, seed=0))
    assert sorted(units) == [
        ["0_0.png"],
        ["1_0.png", "1_1.png"],
        ["2_0.png", "2_1.png", "2_2.png"],
        ["3_0.png"],
        ["4_0.png", "4_1.png"],
        ["5_0.png", "5_1.png", "5_2.png"],
        ["alone_0.png"],
        ["alone_1.png"],
    ]


def test_every_image_is_a_unit_where_images_are_counted() -> None:
    units = names(drawn_units(RECORDS, by_group=False, seed=0))
    assert sorted(units) == sorted([record.path.name] for record in RECORDS)


def test_only_the_seed_decides_the_order() -> None:
    drawn = [names(drawn_units(RECORDS, by_group=False, seed=seed)) for seed in range(4)]
    assert len({str(units) for units in drawn}) == 4
    assert names(drawn_units(RECORDS[::-1], by_group=False, seed=0)) == drawn[0]


def test_patients_of_two_datasets_with_one_number_are_two() -> None:
    other = [ImageRecord(Path("1_0.png"), 9, 9, "carotid", group="patient 1")]
    assert len(drawn_units([*RECORDS, *other], by_group=True, seed=0)) == 9
