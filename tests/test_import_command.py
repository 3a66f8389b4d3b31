"""``gdinousam import``: every command and example of docs/importing.md, and what becomes of mistakes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gdinousam.commands.coco import coco_command
from gdinousam.commands.common import run
from gdinousam.commands.import_dataset import import_command
from gdinousam.data.contract.reading import read_records
from gdinousam.data.images import read_mask

PAGE = (Path(__file__).parents[1] / "docs" / "importing.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^gdinousam import (.+)$", PAGE, re.MULTILINE)
WIDTH, HEIGHT = 40, 30
LABELS = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
LABELS[3:13, 3:15], LABELS[6:9, 6:10] = 1, 0  # with a hole
LABELS[3:8, 22:27] = LABELS[15:23, 30:36] = 2  # of two parts


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def picture(path: str, seed: int = 0) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path)


def labels(path: str, pixels: np.ndarray = LABELS) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def write_sources() -> None:
    """What the commands of the page name."""
    names = [f"p{patient}_{view}.png" for patient in range(10) for view in "ab"]
    for seed, name in enumerate(names):
        picture(f"pictures/{name}", seed)
    shape = '<polygon label="cyst" points="5,5;15,5;15,15;5,15"/>'
    images = "".join(
        f'<image id="{n}" name="{name}" width="{WIDTH}" height="{HEIGHT}">{shape}</image>'
        for n, name in enumerate(names)
    )
    meta = "<meta><task><labels><label><name>cyst</name></label></labels></task></meta>"
    write("annotations.xml", f"<annotations>{meta}{images}</annotations>")
    square = [[5, 5], [15, 5], [15, 15], [5, 15]]
    picture("drawn/x.png", 50)
    drawn = {"shapes": [{"label": "cyst", "points": square, "shape_type": "polygon"}], "imagePath": "x.png"}
    write("drawn/x.json", json.dumps(drawn))
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    result = {**size, "id": "1", "type": "rectanglelabels", "value": {"x": 10, "y": 10, "width": 50, "height": 50}}
    result["value"]["rectanglelabels"] = ["cyst"]  # type: ignore[index]
    tasks = [
        {"id": n, "data": {"image": f"/data/upload/1/0123abcd-{name}"}, "annotations": [{"result": [result]}]}
        for n, name in enumerate(names)
    ]
    write("project-1.json", json.dumps(tasks))
    picture("clinic/images/a.png", 51), labels("clinic/masks/a.png")
    write("labels.csv", "value,phrase\n1,cyst\n2,solid lesion\n")
    for case, pixels in (("c1", LABELS), ("c2", np.zeros_like(LABELS))):
        picture(f"Dataset001/imagesTr/{case}_0000.png", 52 + len(case + str(pixels.sum())))
        labels(f"Dataset001/labelsTr/{case}.png", pixels)
    write("Dataset001/dataset.json", json.dumps({"labels": {"background": 0, "cyst": 1, "mass": 2}}))
    picture("fetal/images/a.png", 60), labels("fetal/masks/a.png", (LABELS == 1).astype(np.uint8) * 255)
    for part in ("train", "val"):
        picture(f"yolo/images/{part}/{part}.png", 61 + len(part))
        write(f"yolo/labels/{part}/{part}.txt", "0 0.5 0.5 0.25 0.25\n")
    write("yolo/data.yaml", "train: images/train\nval: images/val\nnames: [cyst]\n")


EXPECTED = [
    "my_data/train.CSV: 20 images, 20 objects, 20 of them with a mask",
    "my_data/val.CSV: 1 images, 1 objects, 1 of them with a mask",
    "shared_out/train.CSV: 14 images, 14 objects, 0 of them with a mask",
    "from_masks/test.CSV: 1 images, 2 objects, 2 of them with a mask",
    "from_nnunet/train.CSV: 2 images, 2 objects, 2 of them with a mask",
    "head_masks/train.CSV: 1 images, 1 objects, 1 of them with a mask",
    "from_yolo/train.CSV: 1 images, 1 objects, 0 of them with a mask",
]


def test_every_command_of_the_page_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    write_sources()
    said = []
    for command in COMMANDS:
        code = run(import_command, shlex.split(command))
        printed = capsys.readouterr()
        assert code == 0, printed.err
        said.append(printed.out.splitlines()[0])
    assert said == EXPECTED
    records = read_records("from_nnunet/train.CSV", "from_nnunet/train", "from_nnunet/train_mask")
    assert records[1].absent_phrases == ("cyst", "mass")


def test_the_example_in_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    picture("clinic/images/a.png"), labels("clinic/masks/a.png", (LABELS == 1).astype(np.uint8))
    (example,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out.startswith("data/train.CSV: 1 images, 1 objects, 1 of them with a mask")


def test_group_dataset_holes_and_parts_survive_a_round_trip_through_coco() -> None:
    for name in ("p1_a", "p2_a"):
        picture(f"clinic/images/{name}.png"), labels(f"clinic/masks/{name}.png")
    write("labels.yaml", "1: cyst\n2: solid lesion\n")
    options = ["--phrases", "labels.yaml", "--group", "^(p[0-9]+)_", "--dataset", "ward 7"]
    assert run(import_command, ["clinic", "first", *options]) == 0
    files = ["--images", "first/train", "--masks", "first/train_mask"]
    assert run(coco_command, ["export", "first/train.CSV", *files, "--out", "all.json"]) == 0
    assert (
        run(coco_command, ["import", "all.json", "--images", "first/train", "--out", "again", "--split", "train"]) == 0
    )
    for folder in ("first", "again"):
        records = read_records(f"{folder}/train.CSV", f"{folder}/train", f"{folder}/train_mask")
        assert [(record.group, record.dataset) for record in records] == [("p1", "ward 7"), ("p2", "ward 7")]
        for record in records:
            for value, instance in enumerate(record.instances, start=1):
                assert instance.mask is not None
                np.testing.assert_array_equal(read_mask(instance.mask), value == LABELS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "out"], "nowhere: no such file or folder; check the path"),
        (["clinic", "out"], "nobody says what the values of the masks mean"),
        (
            ["clinic", "out", "--phrase", "x", "--split", "70/30"],
            "--split 70/30: name train, val, test, given, or the shares",
        ),
        (["clinic", "out", "--phrase", "x", "--split", "0/1/1"], "--split 0/1/1: name train"),
        (["clinic", "out", "--phrase", "x", "--group", "("], "--group '(': no regular expression"),
        (["clinic", "out", "--format", "coco", "--phrase", "x"], "--format coco: no such format; name one of masks"),
        (["all.json", "out"], "all.json: a COCO file; use gdinousam coco import"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    picture("clinic/images/a.png"), labels("clinic/masks/a.png")
    write("all.json", json.dumps({"images": [], "annotations": [], "categories": []}))
    assert run(import_command, arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and message in said.err and said.err.count("\n") == 1
    assert not Path("out").exists()


def test_mistakes_in_the_annotations_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        picture(f"clinic/images/{name}.png"), labels(f"clinic/masks/{name}.png", LABELS + 1)
    write("labels.yaml", "1: cyst\n2: mass\n")
    assert run(import_command, ["clinic", "out", "--phrases", "labels.yaml"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "error: problems in the data: 2" and len(said) == 4
    assert said[2].endswith("values with a phrase (1, 2); it has 3 too")


def test_a_split_that_exists_is_not_touched(capsys: pytest.CaptureFixture[str]) -> None:
    picture("clinic/images/a.png"), labels("clinic/masks/a.png", (LABELS == 1).astype(np.uint8))
    assert run(import_command, ["clinic", "out", "--phrase", "x"]) == 0
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    assert run(import_command, ["clinic", "out", "--phrase", "y"]) == 2
    assert "of an earlier train split; name another folder or another split" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before
