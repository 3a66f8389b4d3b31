"""What every command shares: config options, logging, and one line with exit code 2 for what the user can fix."""

from __future__ import annotations

import argparse
import difflib
import json
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Concatenate, Literal, ParamSpec

from gdinousam.assets import OLD_NAME, example_configs, setting_names
from gdinousam.commands.surroundings import complete_environment, fault_line, make_streams_lasting
from gdinousam.data.contract.layout import SPLIT_FOLDERS, csv_name, layout_settings
from gdinousam.errors import InputError

BAD_INPUT = 2
INTERRUPTED = 130  # what shells report for Ctrl-C
EXAMPLES_PLACE = Path("configs")  # where the default configs are looked for, from the working folder
COPY_EXAMPLES = f"copy the example configs here with 'gdinousam config --examples {EXAMPLES_PLACE}'"

More = ParamSpec("More")


def run(
    command: Callable[Concatenate[Sequence[str] | None, More], int],
    arguments: Sequence[str] | None = None,
    *more: More.args,
    **named: More.kwargs,
) -> int:
    """Run a command and return its exit code; errors of the user and the system become one line on stderr.

    arguments: of the command line (default: those of the program). more, named: what the command takes beside them.
    """
    make_streams_lasting()
    complete_environment()
    start_logging()
    try:
        code = command(arguments, *more, **named)
        sys.stdout.flush()
        return code
    except InputError as error:
        # a value of the user's that the message repeats may have several lines
        print("error:", error if error.is_table else " ".join(str(error).splitlines()), file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        line = fault_line(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
    return BAD_INPUT


def is_first_process() -> bool:
    """False in all but the first of several processes that torchrun or accelerate launched."""
    return int(os.environ.get("RANK", "0")) == 0


def start_logging() -> None:
    """Send the package's messages to stderr; of several processes only the first one's."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    logging.getLogger("gdinousam").setLevel(logging.INFO if is_first_process() else logging.ERROR)


def add_config_options(parser: argparse.ArgumentParser, default: str | None, small: str | None = None) -> None:
    """Add --print-config and --overwrite to what ``add_config_choice`` adds."""
    add_config_choice(parser, default, small)
    parser.add_argument("--print-config", action="store_true", help="print the resolved config and do nothing else")
    add_overwrite_option(parser, "replace an earlier run in the output folder")


def add_config_choice(parser: argparse.ArgumentParser, default: str | None, small: str | None = None) -> None:
    """Add --config, --set, and where there is an example config for the bundled small model --small.

    default: the config without --config; ``None`` where one must be named. small: the example, below ``configs``.
    """
    choice = parser.add_mutually_exclusive_group()
    told = f" (default: {default})" if default else ""
    choice.add_argument(
        "--config", type=Path, default=default and Path(default), metavar="FILE", help=f"YAML file{told}"
    )
    if small is not None:
        choice.add_argument(
            "--small",
            action="store_true",
            help=f"use the bundled small model: the example config {small}, read as if it lay in ./{EXAMPLES_PLACE}",
        )
    parser.set_defaults(default_config=default and Path(default), small_config=small, data=None)
    add_override_option(parser)


def config_source(options: argparse.Namespace) -> tuple[Path, list[str], Path | None]:
    """What ``load_config`` is given: the config file, what replaces its settings, and the folder of its paths.

    options: of a parser that went through ``add_config_choice``. Raises InputError where there is no config: the
    default one comes with a checkout, not with an installed package.
    """
    _refuse_typos(options.overrides)
    path, folder = _config_file(options)
    options.overrides = [*_of_data(options, path), *options.overrides]
    return path, options.overrides, folder


def _config_file(options: argparse.Namespace) -> tuple[Path, Path | None]:
    """The config file, and the folder that its paths are relative to where that is not its own."""
    small: str | None = options.small_config
    if small is not None and options.small:
        # its paths are read as if it lay in ./configs, since nothing belongs into the folder of an installed package
        return example_configs() / small, (EXAMPLES_PLACE / small).parent
    path: Path | None = options.config
    if path is None:
        raise InputError(f"name a config with --config; {COPY_EXAMPLES}")
    if path == options.default_config and not path.exists():
        or_small = "" if small is None else ", or use the small model with --small"
        remedies = f"change to a checkout, {COPY_EXAMPLES}, name a config with --config{or_small}"
        raise InputError(f"{path} is not in this folder; {remedies}")
    return path, None


def add_data_option(
    parser: argparse.ArgumentParser, program: Literal["train", "test"], without: Collection[str] = ()
) -> None:
    """Add --data, which stands for all paths of a folder in the layout.

    program: whose paths. without: groups of settings that the config does not have.
    """
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="prepared data: stands for the paths of its train, val or test files; --set still replaces single ones",
    )
    parser.set_defaults(program_of_data=program, without=without)


def _of_data(options: argparse.Namespace, config: Path) -> list[str]:
    """What --data sets. Raises InputError where the folder lacks the file that the program needs."""
    folder: Path | None = options.data
    if folder is None:
        return []
    program = options.program_of_data
    needed = folder / csv_name(program)
    if not any(needed.with_suffix(suffix).is_file() for suffix in (needed.suffix, needed.suffix.lower())):
        raise InputError(f"--data {folder}: no {needed.name} in it; give a folder as docs/data.md shows it")
    named = layout_settings(folder, program)
    test_images = folder / SPLIT_FOLDERS["test"][0]
    if program == "train" and test_images.is_dir() and _leaves_out_lookalikes(config):
        named["data.unlike_dir"] = str(test_images)
    return [f"{key}={json.dumps(path)}" for key, path in named.items() if key.split(".")[0] not in options.without]


def _leaves_out_lookalikes(config: Path) -> bool:
    """Whether a config names images whose look-alikes are left out; false for what is no config: loading it says so."""
    from gdinousam.yaml_files import read_yaml

    tree = read_yaml(config, missing="") if config.is_file() else None
    data = tree.get("data") if isinstance(tree, dict) else None
    return isinstance(data, dict) and data.get("unlike_dir") is not None


def _refuse_typos(overrides: Sequence[str]) -> None:
    """Raise InputError for a --set that is nearly the name of a setting, before anything heavy is loaded.

    What is not near any name is left to the config, which knows all about it.
    """
    names = setting_names()
    known = [name for name in names if not name.startswith(OLD_NAME)]
    groups = {name.rpartition(".")[0] for name in known}
    for override in overrides:
        key, equals, _ = override.partition("=")
        is_known = any(key == name or (name not in groups and key.startswith(f"{name}.")) for name in known)
        if not equals or is_known or f"{OLD_NAME}{key}" in names:
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        if near:
            raise InputError(f"--set: {key} is not a setting; did you mean {near[0]}?")


def add_latex_option(parser: argparse.ArgumentParser) -> None:
    """Add --latex; see ``gdinousam.evaluation.reporting.latex.Layout``."""
    parser.add_argument(
        "--latex",
        choices=("text", "column", "page"),
        default="text",
        help="what LaTeX tables fit: the text of an article (345 pt; default), or in one with two columns one of them "
        "(252 pt) or both (516 pt)",
    )


def add_overwrite_option(parser: argparse.ArgumentParser, help: str = "replace files of an earlier call") -> None:
    """Add --overwrite."""
    parser.add_argument("--overwrite", action="store_true", help=help)


def refuse_earlier(paths: Iterable[Path], options: argparse.Namespace, option: str = "--out") -> None:
    """Raise InputError where one of the files is there already, unless --overwrite was given.

    option: by which the user names another place.
    """
    there = next((path for path in paths if path.exists()), None)
    if there is not None and not options.overwrite:
        raise InputError(f"{there} is there already; replace it by --overwrite, or name another place with {option}")


def add_override_option(parser: argparse.ArgumentParser) -> None:
    """Add --set."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="GROUP.KEY=VALUE",
        help="replace one setting of the config; may be given several times",
    )
