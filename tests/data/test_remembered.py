"""What was found out about files holds as long as none of them changes, and only then."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image as PILImage

from gdinousam.data.audit.lookalikes import without_lookalikes
from gdinousam.data.contract import check, remembered
from gdinousam.data.contract.check import require_valid
from gdinousam.data.contract.problems import DataProblems
from gdinousam.data.contract.reading import read_records
from gdinousam.errors import InputError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache" / "checks"
    monkeypatch.setattr(remembered, "cache_folder", lambda: folder)
    return folder


@pytest.fixture
def data(tmp_path: Path, phantom_data: Path) -> Path:
    """A copy of the training phantoms that a test may spoil."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train", "train_mask"):
        shutil.copytree(phantom_data / name, folder / name)
    shutil.copyfile(phantom_data / "train.CSV", folder / "train.CSV")
    return folder


class Checks:
    """Checks the data as training does, and counts how often the files were looked through."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data, self.num_looked = data, 0
        look = check.check_table

        def counted(*arguments: object, **options: object) -> object:
            self.num_looked += 1
            return look(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(check, "check_table", counted)

    def __call__(self, **options: object) -> None:
        require_valid(self.data / "train.CSV", self.data / "train", self.data / "train_mask", **options)  # type: ignore[arg-type]


@pytest.fixture
def checks(data: Path, monkeypatch: pytest.MonkeyPatch) -> Checks:
    return Checks(data, monkeypatch)


def later(path: Path) -> None:
    """Give a file a time of its own, which the clock of the file system may be too coarse for."""
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


def test_sound_data_is_looked_through_once(cache: Path, checks: Checks, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gdinousam")
    checks()
    checks()
    assert checks.num_looked == 1
    assert "train.CSV: checked before, and no file has changed since" in caplog.text
    assert len(list(cache.iterdir())) == 1


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: append(next((data / "train").iterdir())), id="image"),
        pytest.param(lambda data: later(next((data / "train_mask").iterdir())), id="time of a mask"),
        pytest.param(lambda data: (data / "train" / "one_more.png").touch(), id="another file"),
        pytest.param(lambda data: append(data / "train.CSV"), id="CSV"),
    ],
)
def test_any_change_of_files_is_looked_at(
    cache: Path, checks: Checks, data: Path, change: Callable[[Path], object]
) -> None:
    checks()
    change(data)
    with suppress(InputError):  # what was appended may be a problem
        checks()
    assert checks.num_looked == 2


def test_another_question_is_asked_anew(cache: Path, checks: Checks) -> None:
    checks()
    for options in ({"masks_required": True}, {"resize_masks": True}, {"allow_odd": True}, {"datasets": ["phantom"]}):
        before = checks.num_looked
        checks(**options)
        assert checks.num_looked == before + 1
    require_valid(checks.data / "train.CSV", checks.data / "train")
    assert checks.num_looked == 6


def test_an_image_spoiled_after_the_check_is_found(cache: Path, checks: Checks, data: Path) -> None:
    checks()
    path = next((data / "train").iterdir())
    path.write_bytes(bytes(path.stat().st_size))  # of the same size
    with pytest.raises(DataProblems, match=path.name):
        checks()


def test_problems_are_not_remembered(cache: Path, checks: Checks, data: Path) -> None:
    path = next((data / "train").iterdir())
    aside = path.rename(data / "aside.png")
    for _ in range(2):
        with pytest.raises(DataProblems):
            checks()
    assert checks.num_looked == 2 and not cache.exists()
    aside.rename(path)
    checks()


def test_where_nothing_can_be_written_the_check_runs_each_time(
    cache: Path, checks: Checks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gdinousam")
    cache.parent.write_text("a file where the folder would be")
    checks()
    checks()
    assert checks.num_looked == 2 and "files are looked through at every start" in caplog.text


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch, checks: Checks) -> None:
    monkeypatch.setattr(remembered, "cache_folder", lambda: None)
    checks()
    checks()
    assert checks.num_looked == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"sound": 1}', "[" * 10**5])
def test_a_damaged_note_is_made_again(cache: Path, checks: Checks, content: str) -> None:
    checks()
    (note,) = cache.iterdir()
    note.write_text(content)
    checks()
    assert checks.num_looked == 2 and json.loads(note.read_text())["sound"].endswith("train.CSV")


def test_only_the_latest_notes_are_kept(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST_KEPT", 3)
    for number in range(5):
        remembered.remembered({"question": number}, [], [], lambda: {})
        for path in cache.iterdir():
            os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9))
    assert len(list(cache.iterdir())) == 3
    assert remembered.remembered({"question": 4}, [], [], dict)[1]
    assert not remembered.remembered({"question": 0}, [], [], dict)[1]


def test_the_cache_lies_where_the_user_keeps_caches(tmp_path: Path) -> None:
    # in a process of its own: here the tests' own folder takes its place
    ask = "from gdinousam.data.contract.remembered import cache_folder; print(cache_folder())"
    for name, parts in (("XDG_CACHE_HOME", ()), ("HOME", (".cache",))):
        environment = {key: text for key, text in os.environ.items() if key != "XDG_CACHE_HOME"}
        done = subprocess.run(
            [sys.executable, "-c", ask], env=environment | {name: str(tmp_path)}, capture_output=True, text=True
        )
        assert Path(done.stdout.strip()) == tmp_path.joinpath(*parts, "gdinousam", "checks"), done.stderr


def test_look_alikes_are_searched_again_when_a_file_changes(
    cache: Path, phantom_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = read_records(phantom_data / "train.CSV", phantom_data / "train")
    tests = tmp_path / "tests"
    tests.mkdir()
    with PILImage.open(records[3].path) as image:
        image.save(tests / "copy.png")
    first = without_lookalikes(records, tests)
    monkeypatch.setattr("gdinousam.data.audit.lookalikes.read_pictures", lambda *_, **__: pytest.fail("looked again"))
    assert without_lookalikes(records, tests) == first and len(first) == len(records) - 1
    monkeypatch.undo()
    monkeypatch.setattr(remembered, "cache_folder", lambda: cache)
    with PILImage.open(records[5].path) as image:
        image.save(tests / "another.png")
    assert len(without_lookalikes(records, tests)) == len(records) - 2
