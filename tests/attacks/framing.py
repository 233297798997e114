"""Requests that two recipients could read differently, and oversized header sections."""

from service.server.framing import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES

GET = b"GET /livez HTTP/1.1\r\n"

HOST = b"Host: 127.0.0.1\r\n"

POST = (
    b"POST /api/v1/users/alice/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type:"
    b" application/json\r\n"
)

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

SMUGGLED = b"GET /api/v1/users/bob/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def get(*lines: bytes) -> bytes:
    return GET + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def target_of(path: bytes, method: bytes = b"GET", host: bytes = HOST) -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + host + b"\r\n"


# The status, and the bytes. All of these end the connection.
REFUSED: dict[str, tuple[int, bytes]] = {
    # Lengths
    "CL and TE": (
        400,
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    ),
    "TE and CL": (
        400,
        post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + SMUGGLED),
    ),
    "CL twice, equal": (400, post(b"Content-Length: 2", b"Content-Length: 2", body=b"{}")),
    "CL twice, different": (400, post(b"Content-Length: 0", b"Content-Length: 60", body=SMUGGLED)),
    "CL a list": (400, post(b"Content-Length: 2, 2", body=b"{}")),
    "CL signed": (400, post(b"Content-Length: +2", body=b"{}")),
    "CL negative": (400, post(b"Content-Length: -1")),
    "CL hexadecimal": (400, post(b"Content-Length: 0x2", body=b"{}")),
    "CL with a blank": (400, post(b"Content-Length: 1 0", body=b"{}")),
    "CL empty": (400, post(b"Content-Length:", body=b"{}")),
    "CL over 64 bits": (400, post(b"Content-Length: 99999999999999999999")),
    "CL beyond the limit": (413, post(b"Content-Length: %d" % (MAX_BODY_BYTES + 1))),
    "CL of 4 GiB": (413, post(b"Content-Length: 4294967296")),
    "CL with a vertical tab": (400, post(b"Content-Length: \x0b2", body=b"{}")),
    # Transfer codings
    "TE twice": (
        400,
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    "TE twice, one unknown": (
        400,
        post(b"Transfer-Encoding: x", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    "TE identity": (400, post(b"Transfer-Encoding: identity", body=b"0\r\n\r\n")),
    "TE gzip, chunked": (400, post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    "TE chunked, identity": (400, post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n")),
    "TE chunked, chunked": (400, post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n")),
    "TE xchunked": (400, post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n")),
    "TE in quotes": (400, post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n")),
    "TE after a vertical tab": (400, post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n")),
    "TE with a blank before the colon": (
        400,
        post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    ),
    "TE folded": (400, post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n")),
    "TE in HTTP/1.0": (
        400,
        post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n").replace(b"1.1", b"1.0", 1),
    ),
    "TE empty": (400, post(b"Transfer-Encoding:", body=b"0\r\n\r\n")),
    # Chunks
    "chunk size hexadecimal with 0x": (400, CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n"),
    "chunk size signed": (400, CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n"),
    "chunk size negative": (400, CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n"),
    "chunk size with a blank": (400, CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n"),
    "chunk size empty": (400, CHUNKED + b"\r\n{}\r\n0\r\n\r\n"),
    "chunk size over 64 bits": (400, CHUNKED + b"fffffffffffffffff\r\n{}"),
    "chunk size with underscores": (400, CHUNKED + b"0_2\r\n{}\r\n0\r\n\r\n"),
    "chunk ended by LF": (400, CHUNKED + b"2\n{}\r\n0\r\n\r\n"),
    "chunk data ended by LF": (400, CHUNKED + b"2\r\n{}\n0\r\n\r\n"),
    "chunk longer than said": (400, CHUNKED + b"1\r\n{}\r\n0\r\n\r\n"),
    "a trailer": (400, CHUNKED + b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n"),
    "a bare CR in an extension": (400, CHUNKED + b"2;a\rb\r\n{}\r\n0\r\n\r\n"),
    # Hosts
    "no Host": (400, GET + b"\r\n"),
    "two Hosts": (400, GET + HOST + b"Host: evil.example\r\n\r\n"),
    "two equal Hosts": (400, GET + HOST + HOST + b"\r\n"),
    **{
        f"Host {host!r}": (400, GET + b"Host: " + host + b"\r\n\r\n")
        for host in (
            b"",
            b"a b",
            b"a,b",
            b"user@127.0.0.1",
            b"127.0.0.1/",
            b"127.0.0.1:x",
            b"127.0.0.1:",
            b"http://127.0.0.1",
            b"[::1",
            b"\xff",
            b"a" * 300,
        )
    },
    # Headers that mean one thing, given twice
    **{
        f"two {name.decode()}": (400, get(name + b": a", name + b": b"))
        for name in (
            b"Authorization",
            b"Content-Type",
            b"Content-Encoding",
            b"Expect",
            b"Origin",
            b"Range",
            b"Idempotency-Key",
            b"Max-Forwards",
        )
    },
    "two equal Authorizations": (400, get(b"Authorization: Bearer a", b"authorization: Bearer a")),
    # Lines
    "LF for CRLF": (400, b"GET /livez HTTP/1.1\nHost: 127.0.0.1\n\n"),
    "LF after a header": (400, GET + b"Host: 127.0.0.1\n\r\n"),
    "CR for CRLF": (400, b"GET /livez HTTP/1.1\rHost: 127.0.0.1\r\r"),
    "a bare CR in a value": (400, get(b"X: a\rb")),
    "a folded header": (400, get(b"X: a", b" b")),
    "a blank before the first header": (400, GET + b" " + HOST + b"\r\n"),
    "a header without a colon": (400, get(b"X")),
    "a header without a name": (400, get(b": a")),
    "a blank before the colon": (400, get(b"X : a")),
    **{
        f"name with {bytes([c])!r}": (400, get(b"X" + bytes([c]) + b"Y: a"))
        for c in b'\x00\x01\x7f\xff()<>@,;\\"/[]?={}'
    },
    **{
        f"value with {bytes([c])!r}": (400, get(b"X: a" + bytes([c]) + b"b"))
        for c in b"\x00\x01\x08\x0b\x0c\x1b\x7f"
    },
    # Request lines
    "HTTP/0.9": (400, b"GET /livez\r\n\r\n"),
    "HTTP/1.2": (400, b"GET /livez HTTP/1.2\r\n" + HOST + b"\r\n"),
    "HTTP/2.0": (400, b"GET /livez HTTP/2.0\r\n" + HOST + b"\r\n"),
    "HTTP/3": (400, b"GET /livez HTTP/3\r\n" + HOST + b"\r\n"),
    "http in lower case": (400, b"GET /livez http/1.1\r\n" + HOST + b"\r\n"),
    "HTTP/2's preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a TLS hello": (400, bytes.fromhex("16030100c8010000c40303") + bytes(200)),
    "an SSH client": (400, b"SSH-2.0-OpenSSH_9.2\r\n"),
    "a proxy's PROXY line": (400, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get()),
    "binary": (400, bytes(range(256))),
    "a blank after the version": (400, b"GET /livez HTTP/1.1 \r\n" + HOST + b"\r\n"),
    "a method in lower case": (400, target_of(b"/livez", b"get")),
    "an unknown method": (400, target_of(b"/livez", b"FROB")),
    "a method of 8 KiB": (400, target_of(b"/livez", b"G" * 8192)),
    "CONNECT": (400, target_of(b"127.0.0.1:443", b"CONNECT")),
    "CONNECT to a path": (400, target_of(b"/livez", b"CONNECT")),
    "* for another method": (400, target_of(b"*")),
    "another host in the target": (400, target_of(b"http://evil.example/livez")),
    "userinfo in the target": (400, target_of(b"http://a@127.0.0.1/livez")),
    "another scheme": (400, target_of(b"ftp://127.0.0.1/livez")),
    "a target without a path": (400, target_of(b"http://127.0.0.1")),
    "a relative target": (400, target_of(b"livez")),
    "a fragment": (400, target_of(b"/livez#a")),
    "a target in UTF-8": (400, target_of("/é".encode())),
    "a NUL in the target": (400, target_of(b"/\x00")),
    "a backslash for the slash": (400, target_of(b"\\livez")),
    # Measures
    "a target too long": (414, target_of(b"/" + b"a" * MAX_TARGET_BYTES)),
    "a target of 1 MiB": (414, target_of(b"/" + b"a" * 2**20)),
    "a query too long": (414, target_of(b"/livez?" + b"a" * MAX_TARGET_BYTES)),
    "too many headers": (431, get(*[b"X-%d: a" % n for n in range(MAX_HEADERS)])),
    "a million headers": (431, GET + HOST + b"A:\r\n" * 1_000_000 + b"\r\n"),
    "a header too large": (431, get(b"X: " + b"a" * MAX_HEAD_BYTES)),
    "a header of 8 MiB": (431, get(b"X: " + b"a" * 2**23)),
    "a name of 1 MiB": (431, get(b"X" * 2**20 + b": a")),
    "headers too large together": (431, get(*[b"X-%d: " % n + b"a" * 4096 for n in range(9)])),
    "an endless head": (431, GET + b"X: " + b"a" * (4 * MAX_HEAD_BYTES + 2**19)),
    # Expectations
    "another expectation": (417, post(b"Expect: 200-ok", b"Content-Length: 2", body=b"{}")),
}
