"""An offline copy of a user's tasks, kept by the feed alone."""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.conftest import User

SCALE = int(os.environ.get("TEST_SCALE", "1"))
"""How many times longer than in CI the long tests run."""


class Replica:
    """What a client knows that follows the feed; `forgotten` counts how often it had to start
    again.
    """

    def __init__(self, user: User) -> None:
        self.user = user
        self.tasks: dict[str, dict[str, Any]] = {}
        self.since: str | None = None
        self.sequences: list[int] = []
        self.forgotten = 0

    async def turn(self, limit: int = 100) -> bool:
        """Read one page; whether there is more."""
        query = {"limit": limit} | ({"since": self.since} if self.since is not None else {})
        response = await self.user.call("GET", f"{self.user.home}/changes", params=query)
        if response.status_code == 410:
            self.tasks, self.since, self.sequences = {}, None, []
            self.forgotten += 1
            return True
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page["items"]) <= limit
        for change in page["items"]:
            self.sequences.append(change["sequence"])
            if change["deleted"]:
                assert change["task"] is None
                self.tasks.pop(change["id"], None)
            else:
                assert change["task"]["id"] == change["id"]
                self.tasks[change["id"]] = change["task"]
        assert self.sequences == sorted(set(self.sequences)), "the feed went back"
        self.since = page["next"]
        more: bool = page["more"]
        return more

    async def catch_up(self, limit: int = 100) -> dict[str, dict[str, Any]]:
        """Read until there is no more."""
        while await self.turn(limit):
            pass
        return self.tasks


async def listed(user: User) -> dict[str, dict[str, Any]]:
    """Return all tasks of the list by id, and compare its totals."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        page = await user.tasks(limit=100, offset=len(found))
        found |= {task["id"]: task for task in page["items"]}
        if not page["items"]:
            break
    assert page["total"] == len(found)
    for completed in (True, False):
        total = (await user.tasks(completed=str(completed).lower(), limit=1))["total"]
        assert total == sum(task["completed"] is completed for task in found.values())
    return found


def run_histories(machine: type[RuleBasedStateMachine]) -> None:
    """Run random histories of the machine's rules; the same ones each time, unless TEST_SCALE asks
    for more.
    """
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12 * SCALE,
            stateful_step_count=20,
            deadline=None,
            derandomize=SCALE == 1,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
