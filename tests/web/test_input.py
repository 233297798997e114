"""Parsing requests beyond the models: duplicates, encodings, messages."""

import contextlib
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError
from starlette.types import Message

from service.resources.task import NewTask
from service.web.faults import MAX_FAULTS, in_body
from service.web.input import INTEGRAL, Body, body_of
from service.web.media_types import essence_in_utf8
from service.web.problem_types import Invalid
from tests.conftest import User
from tests.counting import calls
from tests.dispatching import exchange_of


@pytest.mark.parametrize(
    ("content", "pointers"),
    [
        (b'{"title": "a", "title": "b"}', {"/title"}),
        (b'{"title": "a", "\\u0074itle": "a"}', {"/title"}),
        (b'{"title": 1, "title": "a"}', {"/title"}),
        (
            b'{"title": "a", "completed": true, "title": "b", "completed": true}',
            {"/title", "/completed"},
        ),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_repeated_members_are_422(
    alice: User, method: str, content: bytes, pointers: set[str]
) -> None:
    """A member that stands twice, however it is spelt, is 422 and named; nothing is stored."""
    task = await alice.create()
    path = f"/{task['id']}" if method == "PATCH" else ""
    response = await alice.call(
        method, path, content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert {(error["pointer"], error["code"]) for error in response.json()["errors"]} == {
        (p, "repeated") for p in pointers
    }
    assert (await alice.tasks())["items"] == [task]


async def test_a_body_with_a_content_coding_is_415(alice: User) -> None:
    """A body in a content coding is 415, and the answer says what is taken."""
    for encoding, status in (("gzip", 415), ("br", 415), ("identity", 201)):
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        response = await alice.call("POST", content=b'{"title": "a"}', headers=headers)
        assert response.status_code == status
    refused = await alice.call("POST", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (refused.headers["Accept"], refused.headers["Accept-Encoding"]) == (
        "application/json",
        "identity",
    )
    task = await alice.create()
    refused = await alice.call(
        "PATCH", f"/{task['id']}", content=b"{}", headers={"Content-Type": "text/plain"}
    )
    assert refused.headers["Accept-Patch"] == "application/merge-patch+json, application/json"


@pytest.mark.parametrize(
    ("content_type", "essence"),
    [
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("application/json;charset=UTF-8", "application/json"),
        ('application/json; charset="utf-8"', "application/json"),
        ("application/json; charset=utf8", "application/json"),
        ("application/json; charset=utf-8;", "application/json"),
        ("application/json;", "application/json"),
        ("application/json ; ; charset=utf-8 ; profile=x", "application/json"),
        ('application/json; profile="a; charset=latin-1"', "application/json"),
        (r'application/json; profile="a\"; charset=latin-1"', "application/json"),
        ("application/json; v=1; charset=utf-8", "application/json"),
        ("application/merge-patch+json; charset=utf-8", "application/merge-patch+json"),
        ("application/json; v=1; charset=latin-1", ""),
        ("application/json; charset=utf-8; charset=latin-1", ""),
        ("application/json; CHARSET=ISO-8859-1", ""),
        ("application/json; charset=utf-16", ""),
        ("application/json; charset", ""),
        ("application/json; charset=", ""),
        ("application/json; charset = utf-8", ""),
        ("application/json, text/plain", ""),
        ('application/json; profile="a', ""),
        ("application", ""),
        ("application/", ""),
        ("", ""),
    ],
)
def test_media_type_parameters_are_read_by_rfc_9110(content_type: str, essence: str) -> None:
    """Parameters are read as RFC 9110 writes them; wherever it stands, only UTF-8 will do."""
    assert essence_in_utf8(content_type) == essence


async def test_content_types_of_common_clients_are_accepted(alice: User) -> None:
    """What clients' libraries say of JSON in UTF-8 is taken, and another encoding is not."""
    for content_type, status in {
        "application/json; charset=utf-8;": 201,
        "application/json; charset=utf-8; profile=x": 201,
        "application/json; charset=utf8": 201,
        "application/json; v=1; charset=latin-1": 415,
    }.items():
        headers = {"Content-Type": content_type}
        made = await alice.call("POST", content=b'{"title": "a"}', headers=headers)
        assert made.status_code == status


HALF = r"a \u escape is not whole, or is half of a surrogate pair"


class Everything(Body):
    """A body of every kind of member."""

    text: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    longer: Annotated[str, Field(min_length=2)] = "ab"
    truth: bool = False
    whole: Annotated[int, Field(ge=1, le=5), INTEGRAL] = 1
    number: Annotated[float, Field(gt=0, lt=5, allow_inf_nan=False)] = 1.0
    listed: Annotated[list[str], Field(min_length=1, max_length=2)] = Field(["a"])
    choice: Literal["low", "medium", "high"] = "low"


@pytest.mark.parametrize(("written", "read"), [("3", 3), ("3.0", 3), ("3e0", 3), ("0.5e1", 5)])
def test_an_integer_may_be_written_with_a_fraction_of_zero(written: str, read: int) -> None:
    """`3.0` is an integer to JSON Schema, and one here; it is one to Python afterwards."""
    whole = Everything.model_validate_json(f'{{"whole": {written}}}').whole
    assert (whole, type(whole)) == (read, int)


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ('{"text": 1}', "text: must be a text"),
        ('{"text": ""}', "text: must not be empty"),
        ('{"text": "abcd"}', "text: must be 3 characters or fewer"),
        ('{"longer": "a"}', "longer: must be 2 characters or more"),
        ('{"truth": "yes"}', "truth: must be true or false"),
        ('{"whole": 3.5}', "whole: must be a whole number"),
        ('{"whole": "3"}', "whole: must be a whole number"),
        ('{"whole": 1e400}', "whole: must be a whole number"),
        ('{"whole": 0}', "whole: must be 1 or more"),
        ('{"whole": 6.0}', "whole: must be 5 or less"),
        ('{"number": "x"}', "number: must be a number"),
        ('{"number": NaN}', "number: must be a finite number"),
        ('{"number": 0}', "number: must be more than 0"),
        ('{"number": 5}', "number: must be less than 5"),
        ('{"listed": {}}', "listed: must be a list"),
        ('{"listed": []}', "listed: must have 1 item or more"),
        ('{"listed": ["a", "b", "c"]}', "listed: must have 2 items or fewer"),
        ('{"listed": ["a", 1]}', "listed/1: must be a text"),
        ('{"choice": "x"}', "choice: must be `low`, `medium` or `high`"),
        ('{"a/b": 1}', "a/b: is not a member of this document"),
        ('{"text": "", "txt": "a"}', "txt: is not a member of this document"),
        ("[]", "body: must be an object"),
        ("", "body: must be JSON: it is empty"),
        ("nope", "body: must be JSON: expected ident at line 1 column 2"),
        ('{"text": 1,}', "body: must be JSON: trailing comma at line 1 column 12"),
        ("\ufeff{}", "body: must be JSON: it begins with a byte order mark, U+FEFF"),
        (
            r'{"text": "\ud83d"}',
            f"body: must be JSON: {HALF} at line 1 column 17",
        ),
        (
            b'{\n  "text": "\xe9"}',
            "body: must be JSON in UTF-8: another encoding at line 2 column 12",
        ),
        (b"\xff\xfe{\x00}\x00", "body: must be JSON in UTF-8: another encoding at line 1 column 1"),
    ],
)
def test_detail_says_the_first_fault_in_plain_words(document: str | bytes, detail: str) -> None:
    """A 422's `detail` says the first rule that is broken and where, as front ends show it: no term
    of a library's, nothing that was sent. A name that is unknown goes before all rules.
    """
    content = document.encode() if isinstance(document, str) else document
    with pytest.raises(ValidationError) as raised:
        Everything.model_validate_json(content)
    assert str(Invalid(in_body(raised.value, content))) == detail


@pytest.mark.parametrize(
    ("query", "body", "detail"),
    [
        ({}, {"title": "a" * 256}, "title: must be 255 characters or fewer"),
        ({}, {"title": " "}, "title: must not be only white space"),
        ({}, {}, "title: must be given"),
        ({}, {"title": "a", "done": True}, "done: is not a member of this document"),
        ({"limit": "x"}, None, "limit: must be a whole number, in decimal digits"),
        ({"limit": "101"}, None, "limit: must be 100 or less"),
        ({"completed": "yes"}, None, "completed: must be `true` or `false`"),
    ],
)
async def test_detail_is_the_first_of_errors_with_its_place(
    alice: User, query: dict[str, str], body: dict[str, Any] | None, detail: str
) -> None:
    """`detail` is the first of `errors`, with its place in front."""
    method = "GET" if body is None else "POST"
    refused = await alice.call(method, params=query, json=body)
    document = refused.json()
    assert (refused.status_code, document["detail"]) == (422, detail)
    assert document["errors"][0]["detail"].lower() == detail.partition(": ")[2].lower()


def steps(content: bytes) -> int:
    """How many functions are called to refuse a new task like this, those written in C
    included.
    """
    headers = [(b"content-type", b"application/json")]

    async def receive() -> Message:
        return {"type": "http.request", "body": content}

    async def refused() -> None:
        with pytest.raises(Invalid) as problem:
            await body_of(exchange_of(headers, receive, method="POST"), NewTask)
        errors = problem.value.members["errors"]
        assert isinstance(errors, list)
        assert 1 <= len(errors) <= MAX_FAULTS

    work = refused()

    def run() -> None:
        with contextlib.suppress(StopIteration):
            work.send(None)

    return calls(run)


@pytest.mark.parametrize(
    "members",
    [
        b'"title":"a","description":""',
        b'"description":"","description":""',
        b'"title":"","completed":1',
        b'"a":1,"a":1',
        b'"%d":1,"%d":1',
    ],
)
def test_refusing_members_takes_linear_steps(members: bytes) -> None:
    """Ten times as many members, repeated, unknown or wrong, are read in as many steps: none looks
    through all the others. No more than MAX_FAULTS faults are listed.
    """

    def body(count: int) -> bytes:
        pairs = (
            members % (2 * number, 2 * number + 1) if b"%d" in members else members
            for number in range(count)
        )
        return b"{" + b",".join(pairs) + b"}"

    assert steps(body(1500)) <= steps(body(150)) + 100


@pytest.mark.parametrize(("members", "listed"), [(60, 50), (100, 50), (5000, 1)])
async def test_the_list_of_faults_is_bounded(alice: User, members: int, listed: int) -> None:
    """Of many faults the first are listed; of far too many members it is said that they are."""
    body = {str(number): 1 for number in range(members)}
    response = await alice.call("POST", json=body)
    assert response.status_code == 422
    assert len(response.json()["errors"]) == listed
    assert len(response.content) < 10_000
