"""The command ``gdinousam`` from a process that has imported torch and the models already, for pages of many commands.

``python warm_command.py SOCKET`` waits at a socket and forks a child for each command, which runs in the folder, the
environment and the streams of the one who typed it. ``warm_command`` starts it and writes the command for a shell.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY = "ready"
MOST_BYTES = 2**18  # of a command with its environment
CLIENT = """#!{python} -ES
import json, os, socket, sys
there = socket.socket(socket.AF_UNIX)
there.connect({place!r})
told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(there, [told], [0, 1, 2])
there.shutdown(socket.SHUT_WR)
sys.exit(there.recv(1)[0])
"""


@contextmanager
def warm_command(folder: Path) -> Iterator[None]:
    """An executable ``gdinousam`` in a folder, as long as the block runs."""
    place = folder / "socket"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, __file__, str(place)], stdout=subprocess.PIPE, env=environment, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == f"{READY}\n"
        script = folder / "gdinousam"
        script.write_text(CLIENT.format(python=sys.executable, place=str(place)), encoding="utf-8")
        script.chmod(0o755)
        yield
    finally:
        process.kill()
        process.communicate()


def serve(place: str) -> None:
    """Never returns."""
    import gdinousam.prediction.files
    import gdinousam.prediction.segmenter
    import gdinousam.prediction.writing.choice  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children that end leave nothing behind
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        print(READY, flush=True)
        while True:
            there, _ = listening.accept()
            if os.fork() == 0:
                be_command(there)
            there.close()


def be_command(there: socket.socket) -> None:
    """Run one command and tell its exit code; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        message, streams, _, _ = socket.recv_fds(there, MOST_BYTES, 3)
        while piece := there.recv(MOST_BYTES):
            message += piece
        words, folder, environment = json.loads(message)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["gdinousam", *words]
        from gdinousam.__main__ import main

        main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        there.send(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
