"""The folder of a study and the evaluations in it: begun, finished, resumed.

Every evaluation has a folder that test.py could have written, so it is resumed and compared like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gdinousam.data.contract.fingerprint import fingerprint
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.origin import is_cut_off, require_same_origin
from gdinousam.evaluation.scoring.results import METHOD_NAME, ROWS_NAME, read_note
from gdinousam.experiments.config import TestConfig, dump_config
from gdinousam.files import write_text
from gdinousam.folders import CONFIG_COPY, run_folder
from gdinousam.processes import Processes
from gdinousam.records import ImageRecord


@contextmanager
def study_folder(
    folder: Path, key: str, config_text: str, overwrite: bool, resume: bool, processes: Processes
) -> Iterator[None]:
    """Make the folder of a study, or find it again, write its config into it, and keep other programs out.

    key: the setting that names it, for messages. config_text: YAML. The settings may have changed since where no
    evaluation in it is concerned. Only the first of several processes does so, the others wait for it. Raises
    InputError where the folder is in use, or holds nothing to resume.
    """
    if not processes.is_first:
        processes.wait()
        yield
        return
    if resume and not (folder / CONFIG_COPY).is_file():
        raise InputError(f"{key}: {folder} holds no study to go on with; start it without --resume")
    with run_folder(folder, key, overwrite, resume):
        write_text(folder / CONFIG_COPY, config_text)
        processes.wait()
        yield


def is_begun(config: TestConfig) -> bool:
    """Whether an evaluation of the study has left anything to go on with."""
    return (config.evaluation.output_dir / CONFIG_COPY).is_file()


def is_finished(config: TestConfig, records: Sequence[ImageRecord]) -> bool:
    """Whether the evaluation is there as a whole.

    Raises InputError where one is there, finished or not, that was begun with other settings, data or weights.
    """
    folder = config.evaluation.output_dir
    if not is_begun(config):
        return False
    if is_cut_off(folder):
        return False
    data_print = fingerprint(records, config.data.test_ann)
    require_same_origin(folder, dump_config(config), data_print, config.method.trace(config).to_json(), records)
    return (folder / ROWS_NAME).is_file() and "num_rows" in read_note(folder / METHOD_NAME)
