"""The contract's examples: each is sent, and gets the response shown."""

import re
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from service.app import Application, routes
from service.auth.tokens import sign
from service.contract.endpoint import Described
from service.contract.operation import Example
from service.resources.task import EXAMPLE
from tests.conftest import SECRET, User
from tests.streams import Reader

MADE_BY_THE_SERVICE = {"id", "created_at", "updated_at", "completed_at", "deleted_at", "version"}
"""Members that cannot be as shown where the request itself makes or changes a task."""

OPERATIONS = [operation for route in routes() for operation in route.operations]
EXAMPLES = [
    (operation, example) for operation in OPERATIONS for example in operation.operation.examples
]


def test_every_operation_with_json_has_an_example() -> None:
    """Every operation that answers JSON has an example."""
    shown = {operation.name for operation, _ in EXAMPLES}
    answering = {operation.name for operation in OPERATIONS if operation.path.startswith("/api")}
    assert answering <= shown


def plain(document: Any) -> Any:
    """The document with the form in place of each value that the service makes."""
    if isinstance(document, dict):
        return {
            name: form(value) if name in MADE_BY_THE_SERVICE else plain(value)
            for name, value in document.items()
        }
    return [plain(item) for item in document] if isinstance(document, list) else document


SEQUENCE = 1767323045678902
"""The number of the change that made the example's task."""


def form(value: Any) -> str:
    return re.sub(r"[0-9a-f]", "0", str(value))


@pytest.mark.parametrize(
    ("operation", "example"),
    EXAMPLES,
    ids=lambda value: getattr(value, "summary", getattr(value, "name", "")),
)
async def test_each_example_gets_its_documented_answer(
    app: Application,
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    operation: Described,
    example: Example,
) -> None:
    """With the example's task stored, the example's request gets the example's answer."""
    headers = {"Authorization": f"Bearer {sign(SECRET, 'alice', ttl=60)}"}
    await connection.execute(
        "INSERT INTO owners (owner_id, sequence, horizon) VALUES ('alice', $1, $1)", SEQUENCE - 1
    )
    if operation.name != "create_task":
        made = await client.post(
            "/api/v1/users/alice/tasks",
            headers=headers,
            json={name: EXAMPLE[name] for name in ("title", "description", "tags", "due_date")},
        )
        assert made.status_code == 201
        await connection.execute(
            "UPDATE tasks SET id = $1, created_at = $2::text::timestamptz, updated_at ="
            " $2::text::timestamptz",
            UUID(EXAMPLE["id"]),
            EXAMPLE["created_at"],
        )
    if operation.operation.tag == "trash":
        task = f"/api/v1/users/alice/tasks/{EXAMPLE['id']}"
        assert (await client.delete(task, headers=headers)).status_code == 204
    path = operation.path.format(
        user_id="alice", task_id=EXAMPLE["id"], slug="invalid", asset="docs.js"
    )
    token = sign(SECRET, "alice", ttl=60, email="alice@example.com")
    if "text/event-stream" in operation.operation.offered:
        reader = Reader(app, User(client, "alice"))
        (event,) = await reader.next()
        await reader.cut()
        assert isinstance(example.answer, dict)
        shown = {**example.answer, "id": event.id}  # signed, as `next` is
        lines = [f"{name}: {value}\n" for name, value in shown.items()]
        assert reader.body.decode() == "".join([*lines, "\n"])
        return
    options: dict[str, Any] = {} if example.body is None else {"json": example.body}
    response = await client.request(
        operation.method,
        path,
        params=dict(example.query),
        headers={"Authorization": f"Bearer {token}", **example.headers},
        **options,
    )
    assert response.status_code == example.status
    answer = response.json() if response.content else None
    changes = operation.method in ("POST", "PUT", "PATCH")
    if (
        isinstance(answer, dict)
        and isinstance(example.answer, dict)
        and isinstance(answer.get("next"), str)
    ):
        # Signed: nobody can show one that is right everywhere
        answer["next"] = example.answer["next"]
    assert (
        plain(answer) == plain(example.answer)
        if changes or "deleted_at" in response.text
        else answer == example.answer
    )
