"""The names that the package offers at its top: few, listed, typed, and free until they are used."""

import subprocess
import sys
from pathlib import Path

import gdinousam

ROOT = Path(__file__).parents[1]
MOST_NAMES = 12


def test_dir_lists_the_public_names_and_each_is_there() -> None:
    listed = [name for name in dir(gdinousam) if not name.startswith("_")]
    assert listed == sorted(gdinousam.__all__)
    assert len(listed) <= MOST_NAMES
    for name in listed:
        assert getattr(gdinousam, name).__name__ == name
        assert getattr(gdinousam, name).__doc__


def test_the_error_of_bad_input_costs_no_torch() -> None:
    program = (
        "import sys; from gdinousam import InputError; dir(sys.modules['gdinousam']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
