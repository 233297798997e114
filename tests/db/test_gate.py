"""The gate before the pool: whose turn it is, and who is refused."""

import asyncio

import pytest

from service.db.gate import Gate, QueueFull
from service.owner import NOBODY, Nobody, OwnerId

ALICE, BOB, CAROL = map(OwnerId, ("alice", "bob", "carol"))


class Callers:
    """Callers of a gate with one turn: who got it, who was refused, and who gave up."""

    def __init__(self, queue: int = 1000) -> None:
        self.gate: Gate[str] = Gate(1, queue)
        self.served: list[str] = []
        self.refused: list[str] = []
        self.gave_up: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, owner: OwnerId | Nobody, *names: str, timeout: float = 60) -> None:
        """Let callers of an owner ask for a turn, one after the other."""
        for name in names:
            self.tasks[name] = asyncio.create_task(self._call(owner, name, timeout))
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # another one may be refused for it

    async def _call(self, owner: OwnerId | Nobody, name: str, timeout: float) -> None:
        try:
            await self.gate.enter(owner, timeout)
        except QueueFull:
            self.refused.append(name)
        except (TimeoutError, asyncio.CancelledError):
            self.gave_up.append(name)
        else:
            self.served.append(name)

    async def serve_all(self) -> list[str]:
        """End turn after turn until nobody waits; return who was served, in order."""
        while self.gate.waiting:
            self.gate.leave()
            await asyncio.sleep(0)
        await asyncio.gather(*self.tasks.values())
        return self.served


@pytest.fixture
async def callers() -> Callers:
    found = Callers()
    await found.gate.enter(ALICE, 1)
    return found


@pytest.fixture
async def few() -> Callers:
    """Callers at a gate where four may wait."""
    found = Callers(queue=4)
    await found.gate.enter(ALICE, 1)
    return found


async def test_an_owner_waits_behind_one_turn_of_each_other(callers: Callers) -> None:
    """However many callers of one owner wait, another's first is served after one of them."""
    alices = [f"a{number}" for number in range(100)]
    await callers.come(ALICE, *alices)
    await callers.come(BOB, "b0", "b1")
    await callers.come(NOBODY, "probe")
    served = await callers.serve_all()
    assert served[:6] == ["a0", "b0", "probe", "a1", "b1", "a2"]
    assert [name for name in served if name in alices] == alices


async def test_a_full_queue_refuses_the_owner_with_the_most(few: Callers) -> None:
    """An owner with none in a full queue gets in for the newest caller of the owner with the most;
    callers of that owner are refused.
    """
    await few.come(ALICE, "a0", "a1", "a2", "a3", "a4")
    assert few.refused == ["a4"]
    await few.come(BOB, "b0")
    await few.come(CAROL, "c0")
    assert few.refused == ["a4", "a3", "a2"]
    await few.come(ALICE, "a5")
    assert few.refused == ["a4", "a3", "a2", "a5"]
    assert await few.serve_all() == ["a0", "b0", "c0", "a1"]


async def test_a_full_queue_of_equals_refuses_the_newest(few: Callers) -> None:
    """Where no owner has two more than the newcomer's, the newcomer is refused."""
    await few.come(ALICE, "a0", "a1")
    await few.come(BOB, "b0", "b1")
    await few.come(CAROL, "c0", "c1")
    assert few.refused == ["b1", "c1"]
    assert await few.serve_all() == ["a0", "b0", "c0", "a1"]


async def test_without_a_queue_callers_are_refused_while_the_turn_is_taken() -> None:
    """Without a queue all are refused while the turn is taken, and none otherwise."""
    callers = Callers(queue=0)
    await callers.come(ALICE, "a0", "a1")
    await callers.come(BOB, "b0")
    assert (callers.served, callers.refused) == (["a0"], ["a1", "b0"])
    callers.gate.leave()
    await callers.come(BOB, "b1")
    assert callers.served == ["a0", "b1"]


async def test_a_caller_that_gives_up_leaves_the_queue(few: Callers) -> None:
    """A place in the queue is free once its caller is cancelled or its time is over."""
    await few.come(ALICE, "a0", "a1", "a2")
    await few.come(BOB, "b0", timeout=0)
    few.tasks["a1"].cancel()
    await asyncio.wait([few.tasks["a1"], few.tasks["b0"]])
    assert sorted(few.gave_up) == ["a1", "b0"]
    assert few.gate.waiting == 2
    await few.come(CAROL, "c0", "c1")
    assert few.refused == []
    assert await few.serve_all() == ["a0", "c0", "a2", "c1"]


async def test_the_gate_is_drained_when_all_have_left(callers: Callers) -> None:
    """The gate is drained when all who waited have had their turn and left."""
    await callers.come(ALICE, "a0", "a1")
    await callers.come(BOB, "b0")
    drained = asyncio.create_task(callers.gate.drained())
    await asyncio.sleep(0)
    await callers.serve_all()
    assert callers.served == ["a0", "b0", "a1"]
    await asyncio.sleep(0)
    assert not drained.done()
    callers.gate.leave("thing")
    await drained
    assert callers.gate.clear() == ["thing"]
    await callers.gate.drained()
