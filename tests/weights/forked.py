"""A script in a forked child: it reads the environment as a new process does, but imports torch and peft no more."""

from __future__ import annotations

import io
import logging
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import torch

import gdinousam.models.adapters.loading  # noqa: F401  what takes seconds, here once for all children

SECONDS = 100  # that a script may take
READS_ENVIRONMENT = ("huggingface_hub", "gdinousam")  # packages that a child imports anew


def run_script(
    script: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script as ``python SCRIPT ARGUMENTS`` does; a child that takes too long is killed by SIGALRM."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            _be_script([script, *arguments], environment, out, err)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess([script, *arguments], code, *texts)


def _be_script(words: list[str], environment: Mapping[str, str], out: BinaryIO, err: BinaryIO) -> None:
    """Never returns."""
    code = 1
    try:
        signal.alarm(SECONDS)
        torch.set_num_threads(1)  # the threads of the parent are not there any more
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(number, "wb"), write_through=True) for number in (1, 2))
        os.environ.clear()
        os.environ.update(environment)
        logging.getLogger().handlers.clear()  # of pytest
        for name in list(sys.modules):
            if name.partition(".")[0] in READS_ENVIRONMENT:
                del sys.modules[name]
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
