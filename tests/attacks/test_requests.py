"""Paths, queries and bodies that are meant to confuse, to escape or to cost: against the real
service, with a valid token.
"""

import json

import pytest

from tests.attacks.conftest import Target
from tests.attacks.inputs import BODIES, NIL, PATHS, QUERIES, TASKS
from tests.attacks.judge import answered, request


@pytest.mark.parametrize("path", PATHS)
def test_each_path_gets_its_status_and_nobody_elses_tasks(target: Target, path: str) -> None:
    """Each path has the status that the contract gives it, and none leads to another user's
    tasks.
    """
    answer = answered(target, path=path)
    assert answer.statuses == [PATHS[path]]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_query_parameters_are_read_strictly(target: Target, query: str) -> None:
    """Known parameters are numbers and booleans, spelt exactly; unknown ones are refused, however
    many.
    """
    answer = answered(target, path=f"{TASKS}?{query}")
    assert answer.statuses == [QUERIES[query]]


@pytest.mark.parametrize("row", BODIES)
def test_a_body_that_is_no_task_is_refused_and_text_is_stored_unchanged(
    target: Target, row: str
) -> None:
    """A body that is no task is refused as a whole, without internal details; text is stored
    unchanged.
    """
    status, body = BODIES[row]
    before = _total(target)
    answer = answered(target, "POST", body=body)
    assert answer.statuses == [status]
    assert _total(target) - before == (status == 201)
    if status == 201:
        created = json.loads(answer.raw.partition(b"\r\n\r\n")[2])
        assert created["title"] == json.loads(body)["title"]
        assert created["owner_id"] == "alice"
    else:
        assert not any(
            word in answer.raw for word in (b"Traceback", b"asyncpg", b"pydantic", b"SQLSTATE")
        )


def _total(target: Target) -> int:
    answer = answered(target, path=f"{TASKS}?limit=1")
    total: int = json.loads(answer.raw.partition(b"\r\n\r\n")[2])["total"]
    return total


TYPES: dict[str, int] = {
    **dict.fromkeys(
        (
            "application/json",
            "APPLICATION/JSON",
            "application/json; charset=utf-8",
            'application/json;charset="UTF-8"',
        ),
        201,
    ),
    **dict.fromkeys(
        (
            "text/plain",
            "application/xml",
            "multipart/form-data; boundary=a",
            "application/x-www-form-urlencoded",
        ),
        415,
    ),
    **dict.fromkeys(
        (
            "application/jsonp",
            "text/json",
            "application/json, text/plain",
            "application/json; charset=utf-7",
        ),
        415,
    ),
    **dict.fromkeys(("application/json; charset=utf-16", "*/*", "json", ""), 415),
}


@pytest.mark.parametrize("media_type", TYPES)
def test_a_body_is_read_only_as_its_media_type(target: Target, media_type: str) -> None:
    """A body is read only as the media type it declares."""
    body = b'{"title":"a"}'
    headers = f"Content-Type: {media_type}\nContent-Length: {len(body)}".encode()
    assert answered(target, "POST", headers=headers, behind=body).statuses == [TYPES[media_type]]


@pytest.mark.parametrize(
    "id", [b"a\x0bb", b"a b", b"\xc3\xa9" * 5, b'<script>"', b"a" * 300, b"id\x7f", b"%0d%0aX-A:1"]
)
def test_a_request_id_is_echoed_only_if_it_is_harmless(target: Target, id: bytes) -> None:
    """X-Request-Id is echoed only if it can neither end the header nor stand for another value."""
    answer = answered(target, path="/livez", headers=b"X-Request-Id: " + id)
    assert id not in answer.raw
    assert answer.raw.lower().count(b"\r\nx-request-id: ") == 1


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.example",
        "http://localhost:3000.evil.example",
        "http://localhost:3001",
        "https://localhost:3000",
        "HTTP://LOCALHOST:3000",
        "file://",
        "*",
        "http://localhost:3000, http://evil.example",
    ],
)
def test_only_the_configured_origin_may_read_answers(target: Target, origin: str) -> None:
    """Only the configured origin may read answers, not one that looks like it."""
    answer = answered(target, headers=b"Origin: " + origin.encode())
    assert b"access-control-allow-origin" not in answer.raw.lower()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_another_owners_task_looks_like_a_missing_one(target: Target, method: str) -> None:
    """To alice, bob's task is the same as one that does not exist, by her path and by his."""
    bobs = request(target, path="/api/v1/users/bob/tasks", token=target.tokens["bob"], last=True)
    task = target.send(bobs)
    id = json.loads(task.raw.partition(b"\r\n\r\n")[2])["items"][0]["id"]
    for path in (f"{TASKS}/{id}", f"/api/v1/users/bob/tasks/{id}"):
        asked = answered(target, "GET", path)
        absent = answered(target, "GET", f"{TASKS}/{NIL}")
        assert (asked.statuses, len(asked.raw)) == ([404], len(absent.raw))
        body = b"" if method == "DELETE" else b'{"title":"stolen"}'
        tried = answered(target, method, path, body=body)
        # Ids are each owner's own: hers is a new one, beside his
        if method == "PUT" and path.startswith(TASKS):
            assert tried.statuses == [201]
            assert answered(target, "DELETE", path).statuses == [204]
        else:
            assert tried.statuses == [404]
    assert target.send(bobs).raw.count(id.encode()) == 1
