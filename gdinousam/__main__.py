"""``gdinousam COMMAND ...`` and ``python -m gdinousam COMMAND ...``: every command of the package under one name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from gdinousam import __version__
from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.commands.table import find_command, overview


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point; of the console script too. arguments: the command and its own (default: those of the program)."""
    program = "python -m gdinousam" if Path(sys.argv[0]).name == "__main__.py" else "gdinousam"
    sys.exit(run(dispatch, sys.argv[1:] if arguments is None else arguments, program))


def dispatch(arguments: Sequence[str] | None, program: str = "gdinousam") -> int:
    """Run the command that the first argument names, or show what there is; returns the exit code.

    program: how it was called, for usage lines and hints. Raises InputError for a command that does not exist.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview(program), end="")
        return 0 if arguments else BAD_INPUT
    if arguments[0] == "--version":
        print(f"gdinousam {__version__}")
        return 0
    command = find_command(arguments[0])
    # only the module of this command is loaded, so that --help answers at once
    run_command: Callable[[Sequence[str], str], NoReturn] = import_module(f"gdinousam.commands.{command.module}").main
    run_command(arguments[1:], f"{program} {command.name}")


if __name__ == "__main__":
    main()
