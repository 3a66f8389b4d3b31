"""Figures, tables and reports that are killed while they replace earlier ones: each file is one or the other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from figure_results import shifted, silent, write_data, write_results
from kills import done, each_kill

from gdinousam.commands.common import run
from gdinousam.commands.compare import compare_command
from gdinousam.commands.figures import figures_command
from gdinousam.commands.report import report_command

Command = Callable[[Sequence[str] | None], int]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        pytest.param(compare_command, ["--out", "out"], id="compare"),
        pytest.param(report_command, ["--out", "out/report.html", "--no-gallery"], id="report"),
        pytest.param(figures_command, ["--out", "out"], id="figures", marks=pytest.mark.slow),
    ],
)
def test_every_file_is_the_earlier_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_data(tmp_path / "data")
    first = write_results(tmp_path / "first", data, shifted, "first")
    second = write_results(tmp_path / "second", data, silent, "second")
    out = tmp_path / "out"

    def write(*folders: Path) -> None:
        assert run(command, [*map(str, folders), *arguments, "--overwrite"]) == 0

    out.mkdir()
    done(lambda: write(first))
    earlier, old = tmp_path / "earlier", tree(out)
    shutil.copytree(out, earlier)
    done(lambda: write(first, second))
    new = tree(out)
    assert old != new
    for point in each_kill(lambda: write(first, second), out, lambda: shutil.copytree(earlier, out), 3):
        for name, content in tree(out).items():
            assert Path(name).name.startswith(".") or content in (old.get(name), new.get(name)), (point, name)
        done(lambda: write(first, second))
        assert tree(out) == new, point
