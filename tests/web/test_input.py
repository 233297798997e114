"""What is read of a request, beyond what the models say: duplicates and encodings."""

import pytest

from tests.conftest import User


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
async def test_members_that_stand_twice(
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


async def test_encoded_bodies(alice: User) -> None:
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
