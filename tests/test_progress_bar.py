"""Progress: lines with done, total, speed and time left in a log file, a bar in a terminal."""

from __future__ import annotations

import logging
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest

from gdinousam.progress_bar import ProgressBar


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, logger="gdinousam")
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_line_now_and_then_tells_done_total_speed_and_time_left(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    with ProgressBar(3000, "evaluating", clock=clock) as bar:
        for _ in range(9):
            clock.seconds += 1
            bar.update(2)
        assert lines() == []
        clock.seconds += 1
        bar.update(2)  # 20 in 10 s
        assert lines() == ["evaluating: 20 of 3,000 images, 2.0 images/s, 25 min left"]
        clock.seconds += 9.5
        bar.update()
        assert len(lines()) == 1
        clock.seconds += 0.5
        bar.update(2979 - 100)
        assert lines()[1:] == ["evaluating: 2,900 of 3,000 images, 145.0 images/s, 1 s left"]


def test_work_of_hours_gets_lines_more_rarely(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    with ProgressBar(36_000, "evaluating", clock=clock) as bar:
        for _ in range(36_000 - 1):
            clock.seconds += 1
            bar.update()
    # 10 in the first 100 s, then ln 60 / ln 1.1 = 43 until 6,000 s, then 50, one every 10 minutes
    assert 90 <= len(lines()) <= 110
    done = [int(line.split()[1].replace(",", "")) for line in lines()]
    assert done[:3] == [10, 20, 30] and done[-1] - done[-2] == 600


def test_slow_work_is_told_in_seconds_per_unit_and_hours(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    with ProgressBar(1001, "BUSI", "case", clock=clock) as bar:
        clock.seconds += 12.5
        bar.update()
    assert lines() == ["BUSI: 1 of 1,001 cases, 12.5 s per case, 3.5 h left"]


def test_an_unknown_total_has_no_time_left_and_a_new_name_is_taken_up(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    with ProgressBar(None, "file 1 of 2", "frame", clock=clock) as bar:
        bar.describe("file 2 of 2")
        clock.seconds += 20
        bar.update(30)
    assert lines() == ["file 2 of 2: 30 frames, 1.5 frames/s"]


def test_the_end_and_work_that_is_not_shown_say_nothing(lines: Callable[[], list[str]]) -> None:
    clock = Clock()
    for is_shown, num_done in ((True, 5), (False, 4)):
        with ProgressBar(5, "evaluating", is_shown=is_shown, clock=clock) as bar:
            clock.seconds += 100
            bar.update(num_done)
    assert lines() == []


def test_items_come_in_order_and_are_counted(lines: Callable[[], list[str]]) -> None:
    clock = Clock()

    def slow(number: int) -> int:
        clock.seconds += 6
        return number

    assert list(ProgressBar(3, "sizes", clock=clock).over(map(slow, range(3)))) == [0, 1, 2]
    assert lines() == ["sizes: 2 of 3 images, 6.0 s per image, 6 s left"]


# half an image per second would be told in a log; delay and clock are made short so that the test is
WORK = """
import time
from gdinousam import progress_bar
from gdinousam.commands.common import start_logging
start_logging()
progress_bar.BAR_DELAY, progress_bar.LINE_SECONDS = 0, 0.1
with progress_bar.ProgressBar(3, "evaluating") as bar:
    for _ in range(2):
        time.sleep(0.15)
        bar.update()
"""


def test_a_terminal_gets_a_bar_and_a_file_gets_lines() -> None:
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)
    assert "evaluating: 1 of 3 images" in done.stderr and "\r" not in done.stderr
    assert done.stdout == ""
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    with subprocess.Popen([sys.executable, "-c", WORK], stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                shown += os.read(master, 4096)
            except OSError:  # how Linux tells that the other end is closed
                break
    os.close(master)
    assert process.returncode == 0
    assert b"\r" in shown and b"2/3" in shown and b"1 of 3 images" not in shown
