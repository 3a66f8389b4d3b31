"""What the operating system answers a command, and what a terminal cannot show: one line, and the work is kept."""

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from safetensors import SafetensorError

from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.surroundings import fault_line

ROOT = Path(__file__).parents[1]
PRINTING = """
import sys
from gdinousam.commands.common import run
def command(arguments):
    for line in range({lines}):
        print("乳腺 囊肿", line)
    open({done!r}, "w").close()
    return 3
sys.exit(run(command))
"""


def python(program: str, shell: str = "{}", **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a program in a new process, within a line of bash where ``{}`` stands for it."""
    command = shell.replace("{}", '"$PYTHON" -c "$PROGRAM"')
    variables = os.environ | {"PYTHON": sys.executable, "PROGRAM": program} | environment
    return subprocess.run(["bash", "-c", command], cwd=ROOT, env=variables, capture_output=True)


@pytest.mark.parametrize(("encoding", "dash"), [("ascii", b"\\u4e73\\u817a"), ("utf-8", "乳腺".encode())])
def test_letters_that_the_terminal_lacks_are_written_as_their_numbers(
    tmp_path: Path, encoding: str, dash: bytes
) -> None:
    ended = python(PRINTING.format(lines=1, done=str(tmp_path / "done")), PYTHONIOENCODING=encoding)
    assert ended.returncode == 3 and ended.stdout.startswith(dash) and not ended.stderr


@pytest.mark.parametrize("num_lines", [1, 100_000], ids=["at the end", "on the way"])
@pytest.mark.parametrize("shell", ["{} | true; exit ${PIPESTATUS[0]}", "{} >&-", "{} >&- 2>&-"])
def test_a_reader_that_went_away_does_not_end_the_work(tmp_path: Path, shell: str, num_lines: int) -> None:
    ended = python(PRINTING.format(lines=num_lines, done=str(tmp_path / "done")), shell)
    assert ended.returncode == 3 and not ended.stderr
    assert (tmp_path / "done").exists()


def test_a_full_disk_behind_stdout_is_one_line(tmp_path: Path) -> None:
    ended = python(PRINTING.format(lines=1, done=str(tmp_path / "done")), "{} > /dev/full")
    assert ended.returncode == BAD_INPUT
    assert ended.stderr == b"error: No space left on device; free some room there, or name another folder\n"


def raising(error: BaseException) -> int:
    def command(arguments: Sequence[str] | None) -> int:
        raise error

    return run(command)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), "/a/b: Permission denied"),
        (OSError(errno.EROFS, "Read-only", b"/a"), "/a: Read-only; name a folder that can be written"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("Can't load\n  the tokenizer"), "Can't load the tokenizer"),
        (ConnectionResetError(), "ConnectionResetError"),
        (
            SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
            "weights cannot be written or read: No space left on device; free some room there, or name another folder",
        ),
        (
            RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"),
            "a file of the run cannot be written ([enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0); "
            "check the room and rights of its folder",
        ),
        (
            UnicodeEncodeError("utf-8", "M\udcfcller", 1, 2, "surrogates not allowed"),
            "'M\\udcfcller' holds bytes that are not UTF-8 text, so it cannot be written into a text file; rename the "
            "file, or write the text as UTF-8",
        ),
    ],
)
def test_a_fault_of_the_system_is_one_line(error: Exception, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(error) == BAD_INPUT
    assert capsys.readouterr().err == f"error: {line}\n"


def test_an_error_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        raising(RuntimeError("a bug"))
    assert fault_line(ValueError("a bug")) is None
