"""The measurement of a server, with few requests, and its tables."""

from pathlib import Path

import pytest

from benchmarks.record import publish
from benchmarks.serving import Load, Memory, Serving, load_table, measure_serving, memory_table, serve_command
from gdinousam.commands.common import BAD_INPUT, run
from gdinousam.evaluation.reporting.table_files import as_plain

MADE = Serving(
    command="serve",
    machine={"processor": "some"},
    versions={"gdinousam": "1"},
    loads=(Load(1, (0.1, 0.2, 0.3), 0.6, 0), Load(50, (1.0, 3.0), 4.0, 1)),
    memory=(Memory(0, 500 * 2**20), Memory(1000, 501 * 2**20)),
    peak_bytes=600 * 2**20,
    together=1,
)


def test_the_tables_say_how_long_clients_wait_and_what_the_memory_is(tmp_path: Path) -> None:
    lines = [[cell.text for cell in line] for line in load_table(MADE).lines]
    assert lines == [["1", "3", "0.200", "0.290", "5.0", "0"], ["50", "2", "2.000", "2.900", "0.5", "1"]]
    assert [[cell.text for cell in line] for line in memory_table(MADE).lines] == [["0", "500"], ["1000", "501"]]
    assert "600 MiB" in as_plain(memory_table(MADE)) and "processor some" in as_plain(load_table(MADE))
    publish(MADE, {"loads": load_table(MADE), "memory": memory_table(MADE)}, tmp_path / "serve.json")
    assert (tmp_path / "serve_loads.csv").is_file()


@pytest.mark.slow
def test_a_server_is_asked_and_answers_as_the_local_call() -> None:
    serving = measure_serving([1, 3], 4, 3)
    assert [(one.num_clients, len(one.seconds), one.num_wrong) for one in serving.loads] == [(1, 4, 0), (3, 4, 0)]
    assert [one.num_requests for one in serving.memory] == [0, 1, 2, 3]
    assert serving.peak_bytes >= max(one.bytes for one in serving.memory) > 10**8


def test_a_number_below_one_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(serve_command, ["--clients", "0", "--out", str(tmp_path)]) == BAD_INPUT
    assert "of 1 or more" in capsys.readouterr().err
