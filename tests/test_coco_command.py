"""``scripts/coco.py``: import and export end with a short report, a mistake with one line and exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gdinousam.commands.coco import coco_command
from gdinousam.commands.common import run
from gdinousam.data.contract.reading import read_records

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def coco(*arguments: object) -> int:
    return run(coco_command, [str(argument) for argument in arguments])


def export_test_split(phantom_data: Path, out: str = "test.json") -> int:
    masks = ["--masks", phantom_data / "test_mask"]
    return coco("export", phantom_data / "test.CSV", "--images", phantom_data / "test_image", *masks, "--out", out)


def import_test_split(phantom_data: Path, *options: object) -> int:
    images = ["--images", phantom_data / "test_image"]
    return coco("import", "test.json", *images, "--out", "data", "--split", "test", *options)


def test_export_then_import_gives_the_same_boxes(phantom_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = read_records(phantom_data / "test.CSV", phantom_data / "test_image", phantom_data / "test_mask")
    num_objects = sum(len(record.instances) for record in records)
    assert export_test_split(phantom_data) == 0
    assert capsys.readouterr().out.startswith(f"test.json: 4 images, {num_objects} annotations, ")
    assert import_test_split(phantom_data) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"data/test.CSV: 4 images, {num_objects} objects, {num_objects} of them with a mask"
    back = read_records("data/test.CSV", "data/test_image", "data/test_mask")
    for before, after in zip(records, back, strict=True):
        assert [one.box_xywh for one in before.instances] == [one.box_xywh for one in after.instances]
        assert (before.path.name, before.phrases, before.dataset) == (after.path.name, after.phrases, after.dataset)


def test_phrases_and_negatives_are_options(phantom_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export_test_split(phantom_data)
    content = json.loads(Path("test.json").read_text())
    name, other = content["categories"][0]["name"], content["categories"][1]["name"]
    emptied = content["images"][0]["id"]
    content["annotations"] = [entry for entry in content["annotations"] if entry["image_id"] != emptied]
    content["images"] = [{**entry, "absent_phrases": []} for entry in content["images"]]
    Path("test.json").write_text(json.dumps(content))
    Path("phrases.yaml").write_text(f'"{name}": simple cyst\n')
    assert import_test_split(phantom_data, "--phrases", "phrases.yaml", "--negatives", "--dataset", "ours") == 0
    first = read_records("data/test.CSV", "data/test_image")[0]
    assert {"simple cyst", other} <= set(first.absent_phrases) and not first.instances
    assert "  simple cyst: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (None, "no such file"),
        ("a: [", "not readable as YAML"),
        ("- a", "holds no mapping"),
        ("", "holds no mapping"),
        ("true: cyst", "True: 'cyst' are not two texts; put both in quotes"),
        ("zyst: cyst", "'zyst' is not a category of the file"),
    ],
)
def test_a_mapping_that_does_not_fit_is_one_line(
    yaml: str | None, message: str, phantom_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_test_split(phantom_data)
    if yaml is not None:
        Path("phrases.yaml").write_text(yaml)
    capsys.readouterr()
    assert import_test_split(phantom_data, "--phrases", "phrases.yaml") == 2
    said = capsys.readouterr()
    assert message in said.err and said.err.startswith("error: ") and said.err.count("\n") == 1 and not said.out
    assert not Path("data").exists()


def test_an_import_into_a_split_that_exists_is_refused(phantom_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export_test_split(phantom_data)
    import_test_split(phantom_data)
    before = {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}
    capsys.readouterr()
    assert import_test_split(phantom_data) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "of an earlier test split; name another folder or another split" in said
    assert {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()} == before


def test_help_answers_at_once() -> None:
    for options in (["--help"], ["import", "--help"], ["export", "--help"]):
        program = (
            f"import runpy, sys; sys.argv = ['coco', *{options}]\n"
            "try: runpy.run_path('scripts/coco.py', run_name='__main__')\n"
            "except SystemExit as end: sys.exit(end.code or bool({'torch', 'cv2', 'pandas'} & sys.modules.keys()))"
        )
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "exit code" in done.stdout
