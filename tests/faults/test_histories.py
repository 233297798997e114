"""Real clients: they repeat, have stale copies, lose responses, and the service dies meanwhile."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.settings import Settings
from tests.conftest import SECRET, User, client_of, started
from tests.faults.replica import Replica, listed, run_histories

IDS = st.integers(0, 3).map(lambda number: str(UUID(int=number)))
BODIES = st.fixed_dictionaries({"title": st.sampled_from(["a", "b"]), "completed": st.booleans()})
PATCHES = st.fixed_dictionaries(
    {}, optional={"title": st.sampled_from(["c", "d"]), "completed": st.booleans()}
)
VERSIONS = st.none() | st.integers(-1, 1)
"""None, or how far it is from the version that the task has."""
REPEATS = st.integers(1, 3)


class Clients(RuleBasedStateMachine):
    """One owner's clients, and what a model says must have come of it all."""

    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.changes = 0
        self.start_of_sequence: int | None = None
        self.owner = f"owner {uuid4()}"
        self.start()
        self.replica = Replica(self.user)

    def start(self) -> None:
        self.life = started(
            Settings.model_validate({"database_url": self.dsn, "jwt_secret": SECRET})
        )
        self.client = client_of(self.runner.run(self.life.__aenter__()))
        self.user = User(self.client, self.owner)

    def call(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        return self.runner.run(self.user.call(method, path, **options))

    def teardown(self) -> None:
        self.runner.run(self.life.__aexit__(None, None, None))
        self.runner.close()

    @rule()
    def crash(self) -> None:
        """Another process serves from now on; nothing of the old one's memory is left."""
        self.runner.run(self.life.__aexit__(None, None, None))
        self.start()
        self.replica.user = self.user

    @rule(body=BODIES, repeats=REPEATS)
    def create(self, body: dict[str, Any], repeats: int) -> None:
        """With a key, until an answer arrives: one task."""
        key = {"Idempotency-Key": str(uuid4())}
        answers = [self.call("POST", json=body, headers=key) for _ in range(repeats)]
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1
        task = answers[0].json()
        self.tasks[task["id"]] = task
        self.changes += 1

    @rule(id=IDS, body=BODIES, version=VERSIONS)
    def put(self, id: str, body: dict[str, Any], version: int | None) -> None:
        """Creates or replaces; under a version that is not the task's, nothing."""
        version = self.near(id, version)
        response = self.call("PUT", f"/{id}", json=body, headers=if_match(version))
        there = self.tasks.get(id)
        if version is not None and (there is None or there["version"] != version):
            assert response.status_code == 412
            return
        assert response.status_code == (200 if there else 201)
        self.changes += 1
        self.tasks[id] = response.json()
        if self.start_of_sequence is None:
            self.start_of_sequence = self.tasks[id]["version"] - self.changes
        version = there["version"] + 1 if there else self.start_of_sequence + self.changes
        assert self.tasks[id] == {**self.tasks[id], **body, "id": id, "version": version}

    @rule(id=IDS, patch=PATCHES, version=VERSIONS, repeats=REPEATS, late=st.booleans())
    def patch(
        self, id: str, patch: dict[str, Any], version: int | None, repeats: int, *, late: bool
    ) -> None:
        """With a key, until an answer arrives: one change, whatever another client does in
        between.
        """
        version = self.near(id, version)
        headers = if_match(version) | {"Idempotency-Key": str(uuid4())}
        first = self.call("PATCH", f"/{id}", json=patch, headers=headers)
        there = self.tasks.get(id)
        fits = there is not None and version in (None, there["version"])
        assert first.status_code == (404 if there is None else 200 if fits else 412)
        if there is not None and fits:
            self.tasks[id] = first.json()
            self.changes += bool(patch)
            now = first.json()["updated_at"]
            expected = {**there, **patch, "version": there["version"] + bool(patch)}
            completed_at = (there["completed_at"] or now) if expected["completed"] else None
            assert first.json() == expected | {"updated_at": now, "completed_at": completed_at}
        if late:
            self.delete(id, None)
        for _ in range(repeats - 1):
            again = self.call("PATCH", f"/{id}", json=patch, headers=headers)
            assert (again.status_code, again.headers.get("ETag")) == (
                first.status_code,
                first.headers.get("ETag"),
            )
            assert again.content == first.content or first.status_code != 200

    @rule(id=IDS, version=VERSIONS)
    def delete(self, id: str, version: int | None) -> None:
        """Gone, or 404, or under a version that is not the task's 412."""
        version = self.near(id, version)
        response = self.call("DELETE", f"/{id}", headers=if_match(version))
        there = self.tasks.get(id)
        fits = there is not None and version in (None, there["version"])
        assert response.status_code == (404 if there is None else 204 if fits else 412)
        if fits:
            del self.tasks[id]
            self.changes += 1

    @rule(limit=st.integers(1, 3))
    def read_a_page(self, limit: int) -> None:
        """A replica goes on a little."""
        self.runner.run(self.replica.turn(limit))

    @invariant()
    def list_and_feed_are_the_model(self) -> None:
        """At every step the list, a replica from nothing and one that follows have the model's
        tasks, and the numbers no gaps.
        """
        assert self.runner.run(listed(self.user)) == self.tasks
        fresh = Replica(self.user)
        assert self.runner.run(fresh.catch_up()) == self.tasks
        following = Replica(self.user)
        following.tasks, following.since = dict(self.replica.tasks), self.replica.since
        assert self.runner.run(following.catch_up()) == self.tasks
        for newest in following.sequences[-1:] or self.replica.sequences[-1:]:
            if self.start_of_sequence is None:
                self.start_of_sequence = newest - self.changes
            assert newest <= self.start_of_sequence + self.changes

    def near(self, id: str, distance: int | None) -> int | None:
        """The version at that distance from the task's, or any where there is no task."""
        if distance is None:
            return None
        return self.tasks[id]["version"] + distance if id in self.tasks else 2 + distance


def if_match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": f'"{version}"'}


def test_random_histories_keep_list_counts_and_feed_consistent(database: str) -> None:
    """After every step of every random history the list, the counts and the feed equal a model's,
    and no sequence number is skipped.
    """
    Clients.dsn = database
    run_histories(Clients)
