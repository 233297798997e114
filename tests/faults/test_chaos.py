"""The service while its database is killed, stopped, cut off, filled and turned read-only; the
short form of `make faults`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import scenarios, sieges
from tests.faults.measurements import Figure
from tests.faults.site import Server

SLACK = 5.0
"""Seconds: what must be quick is held to its bounds by the long form, here it must only end."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("chaos")) as server:
        yield server


def hold(figures: list[Figure]) -> None:
    """All figures are as they must be."""
    wrong = [figure for figure in figures if not figure.holds]
    assert not wrong, wrong


async def test_ended_sessions_lose_and_repeat_no_write(server: Server, tmp_path: Path) -> None:
    """While sessions are ended again and again 99 % of requests succeed, no acknowledged change is
    lost or made twice, and no answer is wrong.
    """
    hold(await scenarios.terminated(server, tmp_path, seconds=4, every=1, slack=SLACK))


async def test_acknowledged_writes_outlive_a_crash_and_an_outage(
    server: Server, tmp_path: Path
) -> None:
    """During a crash and an outage every request is refused soon; afterwards all acknowledged
    writes are there.
    """
    hold(await scenarios.crashed(server, tmp_path, outage=1, slack=SLACK))


async def test_a_frozen_server_has_requests_end_by_their_deadline(
    server: Server, tmp_path: Path
) -> None:
    """Requests are answered by their deadline although the server answers nothing."""
    hold(await scenarios.stopped(server, tmp_path, seconds=2, slack=SLACK))


async def test_cut_connections_lose_and_repeat_no_write(server: Server, tmp_path: Path) -> None:
    """Wherever an answer of the database is cut, no change is lost, made twice, or denied after it
    was made.
    """
    hold(await scenarios.severed(server, tmp_path, seconds=4, every=0.05, slack=SLACK))


async def test_a_network_that_swallows_all_has_requests_end_by_their_deadline(
    server: Server, tmp_path: Path
) -> None:
    """Requests are answered by their deadline although no packet arrives."""
    hold(await scenarios.swallowed(server, tmp_path, seconds=2, slack=SLACK))


async def test_without_a_free_connection_requests_are_refused_soon(
    server: Server, tmp_path: Path
) -> None:
    """Without any available connection, requests are refused soon."""
    hold(await scenarios.full(server, tmp_path, seconds=1, slack=SLACK))


async def test_a_read_only_server_serves_reads_and_refuses_writes(
    server: Server, tmp_path: Path
) -> None:
    """On a read-only server reads go on and writes are refused; they succeed again when the server
    allows them.
    """
    hold(await scenarios.read_only(server, tmp_path, seconds=0.5, slack=SLACK))


async def test_a_failing_pooler_loses_no_acknowledged_write(server: Server, tmp_path: Path) -> None:
    """Behind a PgBouncer that is stopped, ended and replaced, no acknowledged write is lost."""
    hold(await scenarios.pooled(server, tmp_path, seconds=2, slack=SLACK))


async def test_a_crowd_waits_fairly_for_few_connections(server: Server, tmp_path: Path) -> None:
    """All wait equally, none longer than allowed, and the process answers its probe at once."""
    hold(await sieges.crowded(server, tmp_path, seconds=3, slack=SLACK))


async def test_work_for_clients_that_left_is_cancelled(server: Server, tmp_path: Path) -> None:
    """No statement runs for clients that have gone, and nothing of theirs is left."""
    hold(await sieges.gone(server, tmp_path, clients=300, slack=SLACK))
