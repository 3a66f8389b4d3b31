"""Downloads from a plain server that cuts, changes and lies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import FileServer, sha256

from gdinousam.errors import InputError
from gdinousam.models.weights.plain import fetch_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def fetch(server: FileServer, path: Path, **known: object) -> str:
    return fetch_file(server.url, path, pause_seconds=0.0, **known)  # type: ignore[arg-type]


def refused(server: FileServer, path: Path, num_tries: int = 1, **known: object) -> str:
    """The one line that a fetch ends with that must not succeed; the file is not there then."""
    with pytest.raises(InputError) as caught:
        fetch(server, path, num_tries=num_tries, **known)
    assert not path.exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


def names_beside(path: Path) -> set[str]:
    return {other.name for other in path.parent.iterdir()}


def test_a_file_arrives_whole_and_nothing_else_is_left(server: FileServer, path: Path) -> None:
    found = fetch(server, path, sha256=sha256(server.content), num_bytes=len(server.content))
    assert found == sha256(server.content)
    assert path.read_bytes() == server.content
    assert names_beside(path) == {path.name}


def test_a_cut_connection_is_continued_where_it_was_cut(server: FileServer, path: Path) -> None:
    server.cuts = [1000, 50_000]
    fetch(server, path)
    assert path.read_bytes() == server.content
    assert [request.get("Range") for request in server.requests] == [None, "bytes=1000-", "bytes=51000-"]


def test_the_next_run_goes_on_where_the_last_one_stopped(server: FileServer, path: Path) -> None:
    server.cuts = [1000]
    assert "cut after 1000 of 300000 bytes" in refused(server, path)
    assert path.with_name("weights.pth.partial").read_bytes() == server.content[:1000]
    fetch(server, path)
    assert path.read_bytes() == server.content
    assert server.requests[-1]["Range"] == "bytes=1000-"


@settings(max_examples=20, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 300), max_size=4), ranges=st.booleans(), etag=st.sampled_from(['"a"', 'W/"a"', None])
)
def test_however_the_connection_is_cut_the_file_arrives_whole(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], ranges: bool, etag: str | None
) -> None:
    path = tmp_path_factory.mktemp("cuts") / "weights.pth"
    # a first connection that brings something: where nothing arrives at all the fetch gives up at once
    server = FileServer(bytes(range(256)) * 2, etag, ranges, cuts=[1, *cuts])
    with server.running():
        fetch(server, path, num_tries=6)
    assert path.read_bytes() == server.content


def test_without_support_for_ranges_it_starts_over(server: FileServer, path: Path) -> None:
    server.ranges, server.cuts = False, [1000]
    fetch(server, path)
    assert path.read_bytes() == server.content
    assert len(server.requests) == 2


def test_a_connection_that_brings_nothing_new_is_given_up(server: FileServer, path: Path) -> None:
    server.cuts = [1000] + 20 * [0]
    assert "0.0 MB are kept" in refused(server, path, num_tries=3)
    assert len(server.requests) == 3


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_not_glued_to_an_old_part(
    server: FileServer, path: Path, heeds_if_range: bool
) -> None:
    server.cuts = [1000]
    refused(server, path)
    server.content, server.etag, server.heeds_if_range = server.content[::-1], '"two"', heeds_if_range
    fetch(server, path)
    assert path.read_bytes() == server.content


def test_a_partial_file_without_a_note_of_its_version_is_started_over(server: FileServer, path: Path) -> None:
    path.with_name("weights.pth.partial").write_bytes(b"of unknown origin")
    fetch(server, path)
    assert path.read_bytes() == server.content


@pytest.mark.parametrize("num_extra", [0, 1])
def test_a_partial_file_that_is_already_whole_or_too_long(server: FileServer, path: Path, num_extra: int) -> None:
    server.cuts = [1000]
    refused(server, path)
    partial = path.with_name("weights.pth.partial")
    partial.write_bytes(server.content + num_extra * b"x")
    fetch(server, path)
    assert path.read_bytes() == server.content
    assert len(server.requests) == 1 + num_extra  # a whole one needs no server, a longer one starts over


def test_a_partial_file_longer_than_the_servers_is_started_over(server: FileServer, path: Path) -> None:
    server.cuts = [2000]
    refused(server, path)
    server.content, server.heeds_if_range = server.content[:1500], False
    fetch(server, path)
    assert path.read_bytes() == server.content
    assert [request.get("Range") for request in server.requests] == [None, "bytes=2000-", None]


def test_a_file_with_a_wrong_hash_is_set_aside_and_the_next_run_starts_over(server: FileServer, path: Path) -> None:
    right, wrong = server.content, server.content[::-1]
    server.content = wrong
    message = refused(server, path, sha256=sha256(right))
    assert sha256(right) in message and sha256(wrong) in message
    assert path.with_name("weights.pth.rejected").read_bytes() == wrong
    server.content = right
    fetch(server, path, sha256=sha256(right))
    assert path.read_bytes() == right
    assert server.requests[-1].get("Range") is None


def test_a_file_of_another_size_than_known_is_not_even_fetched(server: FileServer, path: Path) -> None:
    assert "offers 300000 bytes, expected 7" in refused(server, path, num_bytes=7)
    assert names_beside(path) == set()


def test_a_wrong_size_is_found_where_the_server_states_none(server: FileServer, path: Path) -> None:
    server.states_size = False
    assert "arrived with 300000 bytes, expected 7 bytes" in refused(server, path, num_bytes=7)
    assert fetch(server, path) == sha256(server.content)


def test_a_server_that_states_more_than_it_sends_is_noticed(server: FileServer, path: Path) -> None:
    server.stated_size = 300_001
    assert "cut after 300000 of 300001 bytes" in refused(server, path)


@pytest.mark.parametrize(("status", "advice"), [(404, "not there any more"), (503, "try again later")])
def test_a_refusal_of_the_server_is_one_line(server: FileServer, path: Path, status: int, advice: str) -> None:
    server.status = status
    message = refused(server, path, num_tries=5)
    assert f"answers {status}" in message and advice in message
    assert len(server.requests) == 1


def test_a_refusal_keeps_what_has_arrived(server: FileServer, path: Path) -> None:
    server.cuts = [1000]
    refused(server, path)
    server.status = 503
    refused(server, path)
    server.status = None
    fetch(server, path)
    assert server.requests[-1]["Range"] == "bytes=1000-"


def test_a_web_page_is_not_taken_for_the_file(server: FileServer, path: Path) -> None:
    server.content_type = "text/html; charset=utf-8"
    assert "a web page came" in refused(server, path)
    assert names_beside(path) == set()


@pytest.mark.parametrize("where", ["closed", "unknown"])
def test_offline_it_says_so_at_once(closed_address: str, path: Path, where: str) -> None:
    url = f"{closed_address}/weights.pth" if where == "closed" else "http://name.invalid/weights.pth"
    started = time.monotonic()
    with pytest.raises(InputError, match="cannot be reached"):
        fetch_file(url, path, pause_seconds=60.0)
    assert time.monotonic() - started < 30
    assert names_beside(path) == set()


def test_a_file_larger_than_the_disk_is_not_begun(server: FileServer, path: Path) -> None:
    server.stated_size = 10**18
    assert "make room" in refused(server, path)
    assert names_beside(path) == set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_disk_that_fills_up_is_one_line(server: FileServer, path: Path) -> None:
    path.with_name("weights.pth.partial").symlink_to("/dev/full")
    assert "No space left on device" in refused(server, path)


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_an_interruption_keeps_what_has_arrived(server: FileServer, path: Path, request: pytest.FixtureRequest) -> None:
    # a program that a shell starts in the background ignores the signal, and tests may run in one
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, earlier))

    def interrupt() -> None:
        time.sleep(0.2)  # until the client has read what was sent and waits for more
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)

    server.cuts, server.when_sent = [1000], interrupt
    with pytest.raises(KeyboardInterrupt):
        fetch(server, path)
    server.when_sent = lambda: None
    fetch(server, path)
    assert path.read_bytes() == server.content
    assert server.requests[-1]["Range"] == "bytes=1000-"
