"""Paths as bytes on the wire, before any library parses them."""

import socket
from urllib.parse import urlsplit

import pytest

from tests.contract.conftest import Served

PATHS = {
    b"/api/v1/users/alice/tasks/%00": 401,
    b"/api/v1/users/%ff%fe/tasks": 401,
    b"/api/v1/users/%c0%af/tasks": 401,
    b"/api/v1/users/a%2Fb/tasks": 401,
    b"/api/v1/users/alice/tasks%0A": 404,
    b"/api/v1/users/alice/tasks%0a": 404,
    b"/api/v1/users/alice%2Ftasks": 405,
    b"/api%2Fv1/auth/session": 404,
    b"/api/v1/auth/%73ession": 401,
    b"/api/v1/users/%2e%2e/tasks": 401,
    b"/api/v1/../../etc/passwd": 404,
    b"/%2e%2e/%2e%2e/etc/passwd": 404,
    b"/docs/%2e%2e%2fdocs.py": 404,
    b"/docs/..%2fdocs.py": 404,
    b"/docs/docs.html": 404,
    b"/problems/%00": 404,
    b"/livez/": 404,
    b"//livez": 404,
    b"/livez%00": 404,
    b"/livez%0a": 404,
    b"/livez%0A": 404,
    b"/livez%2F": 404,
    b"/livez%": 404,
    b"/livez%zz": 404,
    b"/%6Civez": 200,
    b"/LIVEZ": 404,
    b"/" + b"a" * 8000: 404,
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40].decode())
def test_any_bytes_in_a_path_get_a_clean_answer(served: Served, path: bytes) -> None:
    """Whatever bytes a path has on the wire, the answer is its page or a problem, never a
    traceback.
    """
    address = urlsplit(served.url)
    with socket.create_connection((address.hostname, address.port), 10) as wire:
        wire.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := wire.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == PATHS[path]
    assert (b"application/problem+json" in head) == (PATHS[path] != 200)
    assert b"Traceback" not in body
