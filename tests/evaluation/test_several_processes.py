"""Real processes that evaluate together."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from coloured_images import LeftHalf, untimed, write_mixed

from gdinousam.evaluation.scoring.rows import read_rows
from gdinousam.evaluation.scoring.runner import evaluate

PROGRAM = """
import os, sys
from pathlib import Path
from coloured_images import LeftHalf, write_mixed
from gdinousam.commands.common import run
from gdinousam.errors import InputError
from gdinousam.processes import joined_processes
from gdinousam.evaluation.scoring.runner import evaluate

class Fatal(LeftHalf):
    def segment(self, images, phrases):
        if sys.argv[2] == "dies" and os.environ["RANK"] == "1":
            os._exit(9)  # as when the system kills a process for want of memory
        if sys.argv[2] == "errs" and os.environ["RANK"] == "1":
            raise InputError("a broken image")
        return super().segment(images, phrases)

def main(arguments):
    folder = Path(sys.argv[1])
    with joined_processes() as processes:
        rows = evaluate(
            Fatal(), write_mixed(folder / os.environ["RANK"]), folder / "out", 2,
            num_pictures=3, save_masks=True, processes=processes,
        )
        print(len(rows), "rows")
    return 0

sys.exit(run(main))
"""
HERE = Path(__file__).parent


def launch(folder: Path, what: str, count: int = 2, program: str = PROGRAM) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of processes that no launcher watches over."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    for rank in range(count):
        (folder / str(rank)).mkdir(exist_ok=True)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
            "OMP_NUM_THREADS": "1",
            "RANK": str(rank),
            "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        command = [sys.executable, "-c", program, str(folder), what]
        running.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        )
    ended = []
    for process in running:
        output, errors = process.communicate(timeout=240)
        ended.append((process.returncode, output, errors))
    return ended


@pytest.fixture
def expected(tmp_path: Path) -> str:
    """The rows of one process."""
    (tmp_path / "alone").mkdir()
    return untimed(evaluate(LeftHalf(), write_mixed(tmp_path / "alone"), tmp_path / "one", num_pictures=0))


@pytest.mark.slow
def test_several_processes_give_the_rows_of_one(tmp_path: Path, expected: str) -> None:
    ended = launch(tmp_path, "runs", count=3)
    assert [code for code, _, _ in ended] == [0, 0, 0], ended
    assert [output for _, output, _ in ended] == ["22 rows\n", "0 rows\n", "0 rows\n"]
    assert untimed(read_rows(tmp_path / "out/rows.csv")) == expected
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "detections.json",
        "masks",
        "pictures",
        "rows.csv",
    ]
    assert len(list((tmp_path / "out/pictures").iterdir())) == 3
    assert len(list((tmp_path / "out/masks").iterdir())) == 16


@pytest.mark.slow
@pytest.mark.parametrize("what", ["dies", "errs"])
def test_a_process_that_stops_is_noticed_and_the_run_can_be_resumed(tmp_path: Path, expected: str, what: str) -> None:
    (first, _, said), (second, _, other_said) = launch(tmp_path, what)
    assert second == (9 if what == "dies" else 2)
    assert first == 2
    assert "error: another of the processes stopped before it had done its share" in said
    assert ("error: a broken image" in other_said) == (what == "errs")
    assert not (tmp_path / "out/rows.csv").exists()
    resumed = evaluate(LeftHalf(), write_mixed(tmp_path / "0"), tmp_path / "out", num_pictures=0, resume=True)
    assert untimed(resumed) == expected


ALONE = """
import os, sys
import torch.distributed as dist
from gdinousam.commands.common import run
from gdinousam.errors import InputError
from gdinousam.processes import joined_processes

class Table(InputError):
    is_table = True

def work():
    if sys.argv[2] == "errs":
        raise Table("two problems" + chr(10) + "the first and the second")
    return os.environ["RANK"]

def main(arguments):
    if sys.argv[2] == "joined":  # as Accelerate does it before us
        dist.init_process_group("gloo")
    for _ in range(2 if sys.argv[2] == "joined" else 1):
        with joined_processes() as processes:
            print("from", processes.first_alone(work))
    return 0

sys.exit(run(main))
"""


@pytest.mark.parametrize(("what", "times"), [("works", 1), ("joined", 2)])
def test_the_first_process_works_alone_and_tells_the_others(tmp_path: Path, what: str, times: int) -> None:
    for code, output, errors in launch(tmp_path, what, program=ALONE):
        assert (code, output) == (0, "from 0\n" * times), errors


def test_what_stops_the_first_process_stops_the_others_with_one_line(tmp_path: Path) -> None:
    (code, _, errors), (other_code, _, other_errors) = launch(tmp_path, "errs", program=ALONE)
    assert code == other_code == 2
    assert "error: two problems\nthe first and the second\n" in errors
    assert "error: the first process stopped: two problems\n" in other_errors
