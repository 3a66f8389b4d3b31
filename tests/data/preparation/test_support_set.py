"""A support set beside the splits of a dataset that is only tested: written, listed, replaced, and shown."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.prepare_dataset import prepare_dataset_command
from gdinousam.data.audit.audit import audit_data
from gdinousam.data.contract.check import check_table
from gdinousam.data.contract.reading import read_records
from gdinousam.data.preparation.prepare import prepare
from gdinousam.data.preparation.preview import write_preview
from gdinousam.data.preparation.report import Options, Report
from gdinousam.data.sources.public.busbra import Busbra
from gdinousam.data.splits.split_list import read_split_list, split_hash

RAW = Path(__file__).parents[4] / "shared" / "data" / "raw" / "BUSBRA"
NUM_WOMEN = 12  # with two views each, every third malignant


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature of BUS-BRA whose pictures are unlike each other."""
    root = tmp_path_factory.mktemp("busbra")
    random = np.random.default_rng(0)
    lines = ["ID,Case,Histology,Pathology,BIRADS,Device,Width,Height,Side,BBOX"]
    for folder in ("Images", "Masks"):
        (root / folder).mkdir()
    for woman in range(1, NUM_WOMEN + 1):
        for side in "lr":
            name = f"{woman:04d}-{side}"
            coarse = PIL.Image.fromarray(random.integers(0, 256, (6, 8), dtype=np.uint8))
            coarse.resize((80, 60), PIL.Image.Resampling.BICUBIC).save(root / "Images" / f"bus_{name}.png")
            mask = np.zeros((60, 80), np.uint8)
            mask[20:40, 10 + woman : 40] = 255
            PIL.Image.fromarray(mask).save(root / "Masks" / f"mask_{name}.png")
            label = "benign" if woman % 3 else "malignant"
            lines.append(f'bus_{name},{woman},cyst,{label},4,GE,80,60,left,"[1,1,2,2]"')
    (root / "bus_data.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return root


def prepared(release: Path, data: Path, **options: object) -> Report:
    return prepare(Busbra(), release, data, Options(**options))  # type: ignore[arg-type]


def snapshot(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_images_of_whole_women_leave_the_test(release: Path, tmp_path: Path) -> None:
    report = prepared(release, tmp_path, support=6)
    support = read_records(tmp_path / "support.CSV", tmp_path / "support", tmp_path / "support_mask")
    test = read_records(tmp_path / "test.CSV", tmp_path / "test_image", tmp_path / "test_mask")
    assert (len(support), len(test)) == (6, 2 * NUM_WOMEN - 6)
    assert not {record.group for record in support} & {record.group for record in test}
    assert {phrase for record in support for phrase in record.phrases} == {
        "benign breast lesion",
        "malignant breast lesion",
    }
    assert check_table(tmp_path / "support.CSV", tmp_path / "support", tmp_path / "support_mask", True) == []
    assert not {path.name for path in (tmp_path / "support").iterdir()} & {
        path.name for path in (tmp_path / "test_image").iterdir()
    }
    assert (report.written["support"].num_images, report.written["support"].num_groups) == (6, 3)
    assert report.text().splitlines()[-1] == "support         6         6         3"


def test_the_list_and_the_report_record_them(release: Path, tmp_path: Path) -> None:
    report = prepared(release, tmp_path, support=6)
    members = read_split_list(tmp_path / "splits" / "busbra.csv")
    listed = {row.image_name for row in members if row.split == "support"}
    assert listed == {path.name for path in (tmp_path / "support").iterdir()}
    saved = json.loads((tmp_path / "splits" / "busbra.json").read_text(encoding="utf-8"))
    assert saved["support"] == 6 and saved["written"]["support"]["num_images"] == 6
    assert saved["split_sha256"] == report.split_hash == split_hash(tmp_path / "splits" / "busbra.csv")
    other = prepared(release, tmp_path / "other", support=8)
    assert other.split_hash != report.split_hash


def test_the_same_release_gives_the_same_files_and_without_it_all_is_tested_again(
    release: Path, tmp_path: Path
) -> None:
    prepared(release, tmp_path / "plain")
    prepared(release, tmp_path / "data", support=6)
    before = snapshot(tmp_path / "data")
    prepared(release, tmp_path / "data", support=6)
    assert snapshot(tmp_path / "data") == before
    prepared(release, tmp_path / "data")
    assert snapshot(tmp_path / "data") == snapshot(tmp_path / "plain")
    report = json.loads((tmp_path / "plain" / "splits" / "busbra.json").read_text(encoding="utf-8"))
    assert list(report["written"]) == ["train", "val", "test"] and "support" not in report


def test_the_paper_split_tests_the_rest_too(release: Path, tmp_path: Path) -> None:
    report = prepared(release, tmp_path, support=6, split="paper")
    assert report.written["test"].counted == report.written["test"].num_images == 2 * NUM_WOMEN - 6
    assert report.written["support"].num_images == 6 and report.written["support"].counted is None
    with (tmp_path / "support.CSV").open(newline="", encoding="utf-8") as file:
        assert {row["label_name"] for row in csv.DictReader(file)} == {"benign", "malignant"}


def test_the_audit_finds_nothing_and_then_a_woman_in_both(release: Path, tmp_path: Path) -> None:
    prepared(release, tmp_path, support=6)
    report = audit_data(tmp_path, progress=False)
    assert report.num_leaks == 0 and report.num_images == {"test": 2 * NUM_WOMEN - 6, "support": 6}
    rows = (tmp_path / "support.CSV").read_text(encoding="utf-8").splitlines()
    stolen = next(csv.DictReader(rows))
    with (tmp_path / "test.CSV").open("a", encoding="utf-8") as file:
        file.write(rows[1] + "\n")
    name = stolen["image_name"]
    (tmp_path / "test_image" / name).write_bytes((tmp_path / "support" / name).read_bytes())
    report = audit_data(tmp_path, progress=False)
    (by_name,), (by_pixels,), (by_group,) = report.shared_names, report.shared_pixels, report.shared_groups
    assert by_name.splits == ("test", "support") and len(by_pixels.places) == 2
    assert (by_group.group, dict(by_group.num_images)) == (stolen["group"], {"test": 1, "support": 2})


def test_the_preview_shows_the_support_set(release: Path, tmp_path: Path) -> None:
    prepared(release, tmp_path, support=6)
    for name in ("test.CSV", "test_image"):
        (tmp_path / name).rename(tmp_path / f"moved_{name}")
    write_preview(tmp_path, "busbra", tmp_path / "sheet.png")
    with PIL.Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (6 * 256, 296)  # six tiles in a line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("BUSBRA", "--support", "24"), "busbra: 24 images cannot be set aside, as one patient"),
        (("BUSI", "--support", "16"), "BUSI has training images to draw examples from; --support is for datasets"),
    ],
)
def test_what_cannot_be_set_aside_is_one_line_and_writes_nothing(
    release: Path, tmp_path: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "data"
    assert run(prepare_dataset_command, [*arguments, "--raw", str(release), "--out", str(out)]) == BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert not out.exists() or not snapshot(out)


@pytest.mark.parametrize("count", ["0", "-1", "some"])
def test_a_number_that_is_no_count_is_refused(count: str) -> None:
    with pytest.raises(SystemExit) as caught:
        prepare_dataset_command(["BUSBRA", "--raw", "release", "--support", count])
    assert caught.value.code == 2


@pytest.mark.real_data
@pytest.mark.skipif(not RAW.is_dir(), reason="the excerpt of BUS-BRA is not here")
def test_sixteen_images_of_the_real_excerpt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["BUSBRA", "--raw", str(RAW), "--out", str(tmp_path), "--support", "16"]
    assert run(prepare_dataset_command, arguments) == 0
    assert "support        16        16         9" in capsys.readouterr().out
    assert audit_data(tmp_path, progress=False).num_leaks == 0
