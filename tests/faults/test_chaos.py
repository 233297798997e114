"""The service while its database is killed, stopped, cut off, filled and turned read-only; the
short form of `make faults`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import scenarios, sieges
from tests.faults.figures import Figure
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


async def test_sessions_are_ended_again_and_again(server: Server, tmp_path: Path) -> None:
    """99 % of requests succeed all the same, no acknowledged change is lost or made twice, and no
    answer is a lie.
    """
    hold(await scenarios.terminated(server, tmp_path, seconds=4, every=1, slack=SLACK))


async def test_a_crash_and_an_outage(server: Server, tmp_path: Path) -> None:
    """Meanwhile every request is refused soon; afterwards all acknowledged writes are there."""
    hold(await scenarios.crashed(server, tmp_path, outage=1, slack=SLACK))


async def test_a_server_that_stops(server: Server, tmp_path: Path) -> None:
    """Requests are answered by their deadline although the server says nothing at all."""
    hold(await scenarios.stopped(server, tmp_path, seconds=2, slack=SLACK))


async def test_connections_that_are_cut(server: Server, tmp_path: Path) -> None:
    """Wherever an answer of the database's ends, no change is lost, made twice, or denied that was
    made.
    """
    hold(await scenarios.severed(server, tmp_path, seconds=4, every=0.05, slack=SLACK))


async def test_a_network_that_swallows(server: Server, tmp_path: Path) -> None:
    """Requests are answered by their deadline although nothing arrives anywhere."""
    hold(await scenarios.swallowed(server, tmp_path, seconds=2, slack=SLACK))


async def test_no_room_on_the_server(server: Server, tmp_path: Path) -> None:
    """Without any available connection, requests are refused soon."""
    hold(await scenarios.full(server, tmp_path, seconds=1, slack=SLACK))


async def test_a_server_that_may_not_be_written_to(server: Server, tmp_path: Path) -> None:
    """Reads go on, writes are refused, and succeed again when they may."""
    hold(await scenarios.read_only(server, tmp_path, seconds=0.5, slack=SLACK))


async def test_a_pooler_that_fails(server: Server, tmp_path: Path) -> None:
    """Behind a PgBouncer that is stopped, ended and replaced, no acknowledged write is lost."""
    hold(await scenarios.pooled(server, tmp_path, seconds=2, slack=SLACK))


async def test_a_crowd_before_few_connections(server: Server, tmp_path: Path) -> None:
    """All wait equally, none longer than allowed, and the process answers its probe at once."""
    hold(await sieges.crowded(server, tmp_path, seconds=3, slack=SLACK))


async def test_clients_that_go_away(server: Server, tmp_path: Path) -> None:
    """Nothing runs for them any more, and nothing of theirs is left."""
    hold(await sieges.gone(server, tmp_path, clients=300, slack=SLACK))
