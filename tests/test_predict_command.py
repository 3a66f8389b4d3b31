"""``gdinousam predict`` as it is typed: bad input, JSON lines, folders, patterns, and which weights are named how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.predict import predict_command
from gdinousam.data.sources.phantoms import make_phantom
from gdinousam.prediction.finding import find_sources, result_name

PHRASE = "thyroid nodule"


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two phantoms and a text file, in the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("scans")
    folder.mkdir()
    for number in (1, 2):
        image = make_phantom(np.random.default_rng(number), family="thyroid").image
        PIL.Image.fromarray(image).save(folder / f"neck{number}.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    """What a call says on stdout and on stderr or in the log."""
    capsys.readouterr()
    assert run(predict_command, [str(argument) for argument in arguments]) == code
    said = capsys.readouterr()
    return said.out, said.err


def error(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    out, err = call(capsys, *arguments, code=BAD_INPUT)
    assert out == ""
    return err.splitlines()[-1]


def test_odd_images_are_answered_and_bad_ones_listed(
    scans: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    PIL.Image.fromarray(colours).save(scans / "photo.jpg")
    PIL.Image.new("L", (80, 60)).save(scans / "blank.png")
    PIL.Image.new("L", (1, 1), 90).save(scans / "pixel.png")
    PIL.Image.effect_noise((8000, 300), 60).save(scans / "wide.png")
    (scans / "cut.png").write_bytes((scans / "neck1.png").read_bytes()[:500])
    (scans / "broken.mp4").write_bytes(b"no video" * 100)
    caplog.set_level("INFO")
    _, err = call(capsys, scans, "-p", PHRASE, "-o", scans / "out", code=BAD_INPUT)
    listed = err[err.index("2 of 8 files were not segmented:") :].splitlines()
    assert len(listed) == 3 and "broken.mp4: not readable as a video" in listed[1]
    assert "cut.png: not readable as an image" in listed[2]
    answered = {"neck1.png", "neck2.png", "photo.jpg", "blank.png", "pixel.png", "wide.png"}
    lines = (scans / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["image"] for line in lines} == answered
    assert "blank.png: is blank" in caplog.text and "photo.jpg: is a picture in colour" in caplog.text
    caplog.clear()
    call(capsys, scans, "-p", PHRASE, "-o", scans / "out", code=BAD_INPUT)
    assert "results of 6 images, 6 of them done before" in caplog.text


def test_a_folder_is_segmented_into_itself_twice(
    scans: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for given in (scans, "scans/*.png"):
        call(capsys, given, "-p", PHRASE, "-o", scans)
        assert len((scans / "predictions.jsonl").read_text().splitlines()) == 2
    assert "results of 2 images, 2 of them done before" in caplog.text
    assert "all images named are results" in error(capsys, "scans/*_overlay.png", "-p", PHRASE, "-o", scans)


def test_frames_in_a_folder_are_images_or_one_clip(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = PIL.Image.open(scans / "neck1.png")
    for number in (1, 2):
        first.save(scans / f"neck{number}.png")
    call(capsys, scans, "-p", PHRASE, "-o", "images")
    out, _ = call(capsys, scans, "-p", PHRASE, "-o", "clips", "--frames", "--preview")
    assert "in 2 of 2 frames" in out
    records = {
        kind: [json.loads(line)["image"] for line in Path(kind, "predictions.jsonl").read_text().splitlines()]
        for kind in ("images", "clips")
    }
    assert records == {"images": ["neck1.png", "neck2.png"], "clips": ["scans"]}
    assert PIL.Image.open("clips/contact_sheet.png").size == (256, 296)


def test_json_lines_are_all_that_is_printed(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scans / "cut.png").write_bytes((scans / "neck1.png").read_bytes()[:500])
    out, err = call(capsys, scans, "-p", PHRASE, "--jsonl", code=BAD_INPUT)
    first, *records = map(json.loads, out.splitlines())
    assert set(first) == {"image", "error"} and first["image"] == "cut.png"
    assert [record["image"] for record in records] == ["neck1.png", "neck2.png"]
    assert all(record["made_by"]["model"] == "small" for record in records)
    assert "1 of 3 files were not segmented" in err and {path.name for path in Path().iterdir()} == {"scans"}


def test_one_line_says_what_the_default_model_is(
    scans: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    call(capsys, scans / "neck1.png", "-p", PHRASE, "-o", "a")
    assert caplog.text.count("--model paper") == 1
    caplog.clear()
    call(capsys, scans / "neck1.png", "-p", PHRASE, "-o", "a", "--model", "small")
    assert "--model paper" not in caplog.text and "1 of them done before" in caplog.text


@pytest.mark.parametrize("phrase", ["", "   ", "?!"])
def test_an_empty_phrase_is_refused_before_weights_are_read(
    scans: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, phrase: str
) -> None:
    caplog.set_level("INFO")
    assert "has no letter or digit" in error(capsys, scans, "-p", phrase)
    assert "loaded" not in caplog.text
    assert {path.name for path in Path().iterdir()} == {"scans"}


def test_a_phrase_of_500_words_is_refused_once(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = error(capsys, scans, "-p", "dark lesion " * 250)
    assert "ask with a shorter phrase" in said and len(said) < 250
    said = error(capsys, scans, "-p", "dark lesion " * 250, "--jsonl")  # no file is called after it
    assert said.startswith("error: phrase 'dark lesion") and "shorten it" in said and len(said) < 250
    assert {path.name for path in Path().iterdir()} == {"scans"}


def test_a_phrase_in_another_script_is_answered_with_a_warning(
    scans: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out, _ = call(capsys, scans / "neck1.png", "-p", "胆囊结石", "-o", "out")
    assert "胆囊结石: " in out and "the model's vocabulary lacks" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png"], "none.png: no such image file"),
        (["scans/*.jpg"], "scans/*.jpg: no image file has such a name"),
        (["empty"], "empty: no image right in this folder"),
        (["scans", "--threshold", "2"], "threshold = 2.0; give a number in [0, 1]"),
        (["scans", "--max-detections", "0"], "max_detections = 0; give a whole number from 1 on"),
        (["scans", "--model", "small", "--small"], "name weights in one way"),
        (["scans", "--model", "no/such/model"], "no/such/model"),
        (["scans", "--jsonl", "--preview"], "name a folder for it with --output"),
        (["scans", "-o", "scans/notes.txt"], "cannot write to scans/notes.txt"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    scans: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    Path("empty").mkdir()
    assert message in error(capsys, *arguments, "-p", PHRASE)
    assert {path.name for path in Path().iterdir()} == {"scans", "empty"}
    assert len(list(scans.iterdir())) == 3


def test_thresholds_replace_those_of_the_weights(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = call(capsys, scans, "-p", PHRASE, "--threshold", "0.99", "-o", "out")
    assert out.count("not found") == 2
    assert "made otherwise (thresholds)" in error(capsys, scans, "-p", PHRASE, "-o", "out")
    out, _ = call(capsys, scans, "-p", PHRASE, "--max-detections", "1", "-o", "out", "--overwrite")
    assert out.count("score ") == 2


def test_files_folders_and_patterns_are_found_once_and_in_order(scans: Path) -> None:
    for number in (10, 2):
        (scans / "deep" / f"{number}").mkdir(parents=True)
        PIL.Image.new("L", (4, 4)).save(scans / "deep" / f"{number}" / "frame.png")
    (scans / ".hidden.png").touch()
    found = [path.as_posix() for path in find_sources(["scans/neck2.png", scans, "scans/deep/**/*.png"])]
    assert found == ["scans/neck2.png", "scans/neck1.png", "scans/deep/2/frame.png", "scans/deep/10/frame.png"]
    odd_name = scans / "scan [1].png"
    PIL.Image.new("L", (4, 4)).save(odd_name)
    assert find_sources([odd_name]) == [odd_name]  # a file of that name is no pattern
    assert find_sources([scans / "deep" / "2"], folders_are_clips=True) == [scans / "deep" / "2"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("scan.png", "scan"),
        ("scan.01.PNG", "scan.01"),
        ("volume.nii.gz", "volume"),
        ("clip.mp4", "clip"),
        ("1.2.840.113", "1.2.840.113"),
        (".png", ".png"),
    ],
)
def test_results_are_called_after_the_file_without_the_ending_of_its_kind(file: str, name: str) -> None:
    assert result_name(Path("scans", file)) == name
