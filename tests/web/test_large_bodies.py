"""Bodies larger than any task: a few at once, for a process and for an owner."""

import asyncio
import json
from collections.abc import Callable

import pytest

from service.owner import OwnerId
from service.web.input import MAX_BODY_BYTES
from service.web.large_bodies import ROOM, SHARE, LargeBodies
from service.web.problem_types import TooManyRequests, Unavailable
from tests.conftest import User

LARGE = MAX_BODY_BYTES + 1


def test_an_owner_has_a_share_of_the_room() -> None:
    """An owner has a share of the room, and all together no more than the room; each place is
    given back.
    """
    bodies = LargeBodies()
    slots = [bodies.slot(OwnerId(f"owner {n // SHARE}"), LARGE) for n in range(ROOM)]
    for place in slots:
        place.__enter__()
    with pytest.raises(TooManyRequests) as refused, bodies.slot(OwnerId("owner 0"), LARGE):
        pass
    assert refused.value.headers["Retry-After"] == "1"
    with pytest.raises(Unavailable), bodies.slot(OwnerId("another"), LARGE):
        pass
    with bodies.slot(OwnerId("owner 0"), MAX_BODY_BYTES):
        pass
    slots[0].__exit__(None, None, None)
    with bodies.slot(OwnerId("another"), LARGE):
        pass


async def test_surplus_large_batches_are_turned_away_at_once(user: Callable[[str], User]) -> None:
    """Of more large batches than there is room for some are turned away at once, and all of the
    others are carried out; afterwards there is room again.
    """
    one = {"op": "create", "task": {"title": "a", "description": "x" * 2000}}
    content = json.dumps({"operations": [one] * 50}).encode()
    assert len(content) > MAX_BODY_BYTES
    headers = {"Content-Type": "application/json"}

    async def batch(name: str) -> int:
        options = {"content": content, "headers": headers}
        return (await user(name).call("POST", "/batch", **options)).status_code

    answers = await asyncio.gather(*(batch("alice") for _ in range(SHARE + 3)))
    assert sorted(answers) == [*[200] * SHARE, *[429] * 3]
    answers = await asyncio.gather(*(batch(f"user {number}") for number in range(ROOM + 3)))
    assert sorted(answers) == [*[200] * ROOM, *[503] * 3]
    assert await batch("alice") == 200
