"""Two programs and one folder: the second is told who the first is; a dead program locks nothing."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gdinousam.errors import InputError
from gdinousam.files import write_json
from gdinousam.folders import CONFIG_COPY, replaced_folder, run_folder
from gdinousam.locks import locked

ROOT = Path(__file__).parents[1]
HOLD = """
import sys
from pathlib import Path
from gdinousam.folders import run_folder
with run_folder(Path(sys.argv[1]), "training.output_dir") as folder:
    (folder / "config.yaml").write_text("first")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def holder(run: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another program that holds the folder until its input ends."""
    command = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.parametrize("mode", [{"overwrite": True}, {"resume": True}])
def test_a_folder_in_use_is_refused_with_who_uses_it(
    run: Path, holder: "subprocess.Popen[str]", mode: dict[str, bool]
) -> None:
    line = (
        rf"^training\.output_dir: {re.escape(str(run))} is in use by process {holder.pid} on "
        rf"{re.escape(socket.gethostname())} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\S+; "
        "wait for it, or name another one$"
    )
    with pytest.raises(InputError, match=line), run_folder(run, "training.output_dir", **mode):
        pass
    assert (run / CONFIG_COPY).read_text() == "first"


def test_after_a_success_nothing_of_the_lock_is_left(run: Path, holder: "subprocess.Popen[str]") -> None:
    holder.communicate()
    assert [path.name for path in run.iterdir()] == [CONFIG_COPY]


def test_a_program_that_was_killed_holds_nothing(run: Path, holder: "subprocess.Popen[str]") -> None:
    holder.kill()
    holder.wait()
    assert (run / ".run.owner").exists()
    with run_folder(run, "training.output_dir", overwrite=True):
        assert str(os.getpid()) in (run / ".run.owner").read_text()
    assert list(run.iterdir()) == []


def test_a_failure_leaves_nothing_of_the_lock(run: Path) -> None:
    with pytest.raises(KeyError), run_folder(run, "output"):
        raise KeyError
    assert list(run.iterdir()) == []


def test_one_program_cannot_take_a_folder_twice(tmp_path: Path) -> None:
    with locked(tmp_path, "run", "folder x"):
        line = rf"^folder x is in use by process {os.getpid()} on "
        with pytest.raises(InputError, match=line), locked(tmp_path, "run", "folder x"):
            pass
        with locked(tmp_path, "other", "folder x"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_two_programs_do_not_fill_one_output_folder(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "out") as first:
        (first / "a").touch()
        with pytest.raises(InputError, match=r"out is in use by process"), replaced_folder(tmp_path / "out"):
            pass
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param({"pid": 1, "host": "elsewhere", "since": "1999"}, id="another machine"),
        pytest.param({"pid": os.getpid(), "host": socket.gethostname()}, id="a number that is used again"),
        pytest.param({"pid": 1, "host": socket.gethostname()}, id="before the machine was started again"),
        {"pid": -5},
        {"pid": "x"},
        {},
    ],
)
def test_an_owner_that_holds_no_lock_is_not_believed(tmp_path: Path, owner: dict[str, object]) -> None:
    (tmp_path / ".run.lock").touch()
    write_json(tmp_path / ".run.owner", owner)
    with locked(tmp_path, "run", "folder x"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_program_waits_for_another_where_it_may(run: Path, holder: "subprocess.Popen[str]") -> None:
    assert holder.stdin is not None
    ending = threading.Timer(0.3, holder.stdin.close)
    ending.start()
    with locked(run, "run", "folder x", waits=True):
        assert not ending.is_alive()
        assert json.loads((run / ".run.owner").read_text())["pid"] == os.getpid()
    assert [path.name for path in run.iterdir()] == [CONFIG_COPY]
