"""What no schema can say of the contract, for the fuzzer: tokens must be ours, of the same list;
members must fit together and to the path; a key is new.
"""

import os
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st

from service.auth.tokens import LEEWAY, sign
from tests.conftest import SECRET

CURSORS = os.environ["CURSORS"].split(",")
"""Of the list without a filter."""

POSITIONS = os.environ["POSITIONS"].split(",")
"""In the feed of changes."""

schemathesis.openapi.format("cursor", st.sampled_from(CURSORS))
TRASHED = os.environ["TRASHED"].split(",")
"""In the trash."""

RULES = ("FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=9", "freq=monthly;bymonthday=-1")
ZONES = ("Europe/Berlin", "America/New_York", "UTC")

schemathesis.openapi.format("position", st.sampled_from(POSITIONS))
schemathesis.openapi.format("trash-cursor", st.sampled_from(TRASHED))
schemathesis.openapi.format(
    "due-date",
    st.dates(date(1970, 1, 2), date(9999, 12, 30)).map(str)
    | st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
        datetime.isoformat
    ),
)
schemathesis.openapi.format("time-zone", st.sampled_from(ZONES))
schemathesis.openapi.format("recurrence", st.sampled_from(RULES))
schemathesis.openapi.format(
    "entity-tags", st.sampled_from(["*", '"1"', 'W/"2"', '"1", W/"2", "x"'])
)


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """A sound request with a sound cursor has neither another filter nor an offset, its key is its
    own, and its task is the path's.
    """
    sound = case.meta is not None and case.meta.generation.mode.is_positive
    if sound and case.query.get("cursor") in CURSORS:
        case.query = {name: case.query[name] for name in ("cursor", "limit") if name in case.query}
    # A key of another request is refused, whatever this one has.
    if sound and case.headers.get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = str(uuid4())
    # Examples have a token that is nobody's.
    if sound and case.headers.get("Last-Event-ID"):
        case.headers["Last-Event-ID"] = POSITIONS[0]
    if sound and isinstance(case.body, dict):
        case.body = _fit_operations(_fitting(case.body, case.path_parameters), case.path_parameters)
    # Erase an account of its own: other requests go on in alice's.
    if case.method == "DELETE" and case.path.endswith("/users/{user_id}"):
        if case.path_parameters.get("user_id") == "alice":
            case.path_parameters = {"user_id": "erin"}
        if case.headers.get("Authorization") == f"Bearer {os.environ['TOKEN']}":
            case.headers["Authorization"] = f"Bearer {sign(SECRET, 'erin', ttl=7200)}"
    # A stream ends with its token: within a second, here.
    token = f"Bearer {os.environ['TOKEN']}"
    if case.path.endswith("/stream") and case.headers.get("Authorization") == token:
        case.headers["Authorization"] = f"Bearer {sign(SECRET, 'alice', ttl=1 - LEEWAY)}"


def _fitting(body: dict[str, Any], path: dict[str, Any]) -> dict[str, Any]:
    """The task of a sound request with read-only members as in the path, with a time zone and a
    recurrence that there are (the fuzzer also makes some up from their patterns), and with a due
    date that these ask for.
    """
    body = body | {
        name: path[parameter]
        for name, parameter in (("id", "task_id"), ("owner_id", "user_id"))
        if name in body
    }
    for name, sound in (("time_zone", ZONES), ("recurrence", RULES)):
        if isinstance(text := body.get(name), str) and text not in sound:
            body[name] = sound[len(text) % len(sound)]
    if body.get("time_zone") is not None or body.get("recurrence") is not None:
        body["due_date"] = "2026-03-01T09:00:00+01:00"
    elif "due_date" in body:  # a patch, perhaps of a task whose zone wants a time
        body = {"time_zone": None, "recurrence": None} | body
    return body


def _fit_operations(body: dict[str, Any], path: dict[str, Any]) -> dict[str, Any]:
    """The body, where it is a batch with each operation as a sound request."""
    for operation in body.get("operations", ()):
        own = path | {"task_id": operation.get("id")}
        for member in operation.keys() & {"task", "patch"}:
            operation[member] = _fitting(operation[member], own)
    return body
