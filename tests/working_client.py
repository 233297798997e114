"""A client that works on and on."""

import asyncio
from collections import Counter

import httpx

from tests.conftest import User

PAUSE = 0.02
"""Seconds between the requests of one client: without a pause a few take all of a machine, and what
they wait for starts late.
"""


async def load(user: User, stop: asyncio.Event, counted: Counter[str]) -> list[str]:
    """One user's creates, changes and lists until they are stopped; the ids of what was acknowledged.

    Answers are counted by status, those that are no success with their text, and those that never
    came by their fault.
    """
    ids = []
    while not stop.is_set():
        try:
            made = await user.call("POST", json={"title": "under load"})
            answers = [made]
            await asyncio.sleep(PAUSE)
            if made.status_code == 201:
                ids.append(made.json()["id"])
                answers.append(await user.call("PATCH", f"/{ids[-1]}", json={"completed": True}))
                await asyncio.sleep(PAUSE)
            answers.append(await user.call("GET", params={"limit": 5}))
            await asyncio.sleep(PAUSE)
            for answer in answers:
                counted[
                    str(answer.status_code)
                    if answer.is_success
                    else f"{answer.status_code} {answer.text}"
                ] += 1
        except httpx.TransportError as error:
            counted[type(error).__name__] += 1
    return ids
