"""Tasks over HTTP: what the contract's tables say, on a real database."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.conftest import User

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_create_answers_the_task_and_where_it_is(alice: User) -> None:
    """A create answers 201, the whole task, and a Location that leads to it."""
    response = await alice.call("POST", json={"title": "Buy milk", "description": "Two litres"})
    task = response.json()
    assert response.status_code == 201
    assert task == {
        "id": task["id"],
        "owner_id": "alice",
        "title": "Buy milk",
        "description": "Two litres",
        "completed": False,
        "created_at": task["created_at"],
        "updated_at": task["created_at"],
    }
    assert response.headers["Location"] == f"{alice.path}/{task['id']}"
    assert (await alice.call("GET", response.headers["Location"])).json() == task
