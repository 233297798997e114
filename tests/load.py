"""A client that never pauses."""

import asyncio
from collections import Counter

import httpx

from tests.conftest import User


async def load(user: User, stop: asyncio.Event, counted: Counter[str]) -> list[str]:
    """One user's creates, changes and lists without a pause until they are stopped; the ids of what was
    acknowledged.

    Answers are counted by status, those that are no success with their text, and those that never
    came by their fault.
    """
    ids = []
    while not stop.is_set():
        try:
            made = await user.call("POST", json={"title": "under load"})
            answers = [made]
            if made.status_code == 201:
                ids.append(made.json()["id"])
                answers.append(await user.call("PATCH", f"/{ids[-1]}", json={"completed": True}))
            answers.append(await user.call("GET", params={"limit": 5}))
            for answer in answers:
                counted[
                    str(answer.status_code)
                    if answer.is_success
                    else f"{answer.status_code} {answer.text}"
                ] += 1
        except httpx.TransportError as error:
            counted[type(error).__name__] += 1
    return ids
