"""Paths, queries and bodies that are meant to confuse, to escape or to cost."""

from urllib.parse import quote

TASKS = "/api/v1/users/alice/tasks"
NIL = "00000000-0000-0000-0000-000000000000"

# Paths that are not alice's, however they are written. None may reach bob's tasks, or the file
# system.
PATHS: dict[str, int] = {
    **{
        f"/api/v1/users/{user}/tasks": 404
        for user in (
            *(
                "bob",
                "Bob",
                "BOB",
                "%62ob",
                "bob%00",
                "bob%20",
                "alice%00",
                "alice%20",
                "%20alice",
                "Alice",
                "alic%C4%B1",
                "al%EF%BD%89ce",
            ),
            *(
                "alice%2Fbob",
                "alice%2F..%2Fbob",
                "..",
                ".",
                "%2e%2e",
                "alice;bob",
                "alice,bob",
                "alice%0d%0aX:1",
                "*",
                "%25",
                "%ff",
                "%c0%ae",
            ),
            *(
                "alice'--",
                "alice'%20OR%20'1'='1",
                "$1",
                "null",
                "undefined",
                "true",
                "0",
                "-1",
                "%EF%BB%BFalice",
                "alice%E2%80%8B",
                "a" * 2000,
            ),
            *("%E2%80%AEecila", "me", "self", "admin", "alice@", "alice%ED%A0%80"),
        )
    },
    "/api/v1/users//tasks": 404,
    "/api/v1/users/alice//tasks": 404,
    "//api/v1/users/alice/tasks": 404,
    "/api/v1/users/alice/tasks/": 404,
    "/api/v1/users/alice/../bob/tasks": 404,
    "/api/v1/users/alice/./tasks": 404,
    "/api/v1/users/bob/../alice/tasks": 404,
    "/API/V1/USERS/alice/TASKS": 404,
    "/api/v1/users/alice/tasks.json": 404,
    "/api/v1/users/alice/tasks;a=b": 404,
    "/api/v1/users/alice/tasks%3Flimit=1": 404,
    "/api/v1%2Fusers/alice/tasks": 404,  # routes match the path as it came
    "/api/v1/users/alice%2Ftasks": 405,  # the account of somebody called alice/tasks
    "/../../../etc/passwd": 404,
    "/..%2f..%2f..%2fetc%2fpasswd": 404,
    "/%2e%2e/%2e%2e/etc/passwd": 404,
    "/..%5c..%5cwindows": 404,
    "/.env": 404,
    "/.git/config": 404,
    "/problems/../service": 404,
    "/problems/%2e%2e%2f%2e%2e%2fetc%2fpasswd": 404,
    "/problems/problem": 404,
    "/server-status": 404,
    "/metrics/../livez": 404,
}
for task in (
    "..",
    "%2e%2e",
    "1",
    "-1",
    "null",
    "a" * 36,
    f"{NIL}%00",
    f"%20{NIL}",
    f"{{{NIL}}}",
    f"urn:uuid:{NIL}",
    f"{NIL}.json",
    "0" * 31,
    "0" * 33,
):
    PATHS[f"{TASKS}/{task}"] = 422
PATHS[f"{TASKS}/{NIL[:-1]}" + quote("\u0660")] = 422  # a digit, but not one of a UUID
PATHS[f"{TASKS}/{NIL}"] = 404
PATHS[f"{TASKS}/{NIL}/"] = 404
PATHS[f"{TASKS}/{NIL}/.."] = 404

QUERIES: dict[str, int] = {
    "limit=0": 422,
    "limit=101": 422,
    "limit=-1": 422,
    "limit=1e1": 422,
    "limit=0x10": 422,
    "limit=1_0": 422,
    "limit=%D9%A1": 422,  # an Arabic one
    "limit=1%00": 422,
    "limit=%201": 422,
    "limit=": 422,
    "limit=NaN": 422,
    "limit=Infinity": 422,
    "limit=" + "9" * 5000: 422,
    "limit=1;DROP%20TABLE%20tasks": 422,
    "limit=1&limit=100": 422,
    "limit[]=1": 422,
    "offset=-1": 422,
    "offset=100001": 422,
    "offset=9223372036854775808": 422,
    "offset=%2b1": 422,
    "completed=yes": 422,
    "completed=1": 422,
    "completed=TRUE": 422,
    "completed=null": 422,
    "completed=true&completed=false": 422,
    "completed=true%27%20OR%201=1--": 422,
    "owner_id=bob": 422,
    "user_id=bob&sub=bob": 422,
    "%00=%00": 422,
    "%ff=%ff": 422,
    "=&=&&&": 422,
    "&".join(["a=b"] * 1500): 422,
    "&".join(f"a{n}=b" for n in range(1000)): 422,
}


def title(raw: bytes) -> bytes:
    return b'{"title":"' + raw + b'"}'


# Each with the status of a create. None that is refused may leave anything behind.
BODIES: dict[str, tuple[int, bytes]] = {
    # Not JSON
    "empty object": (422, b"{}"),
    "blank": (422, b"   "),
    "null": (422, b"null"),
    "a list": (422, b'[{"title":"a"}]'),
    "a text": (422, b'"title"'),
    "a number": (422, b"1"),
    "cut": (422, b'{"title":"a"'),
    "two documents": (422, b'{"title":"a"}{"title":"b"}'),
    "a comment": (422, b'{"title":"a"/*b*/}'),
    "single quotes": (422, b"{'title':'a'}"),
    "a trailing comma": (422, b'{"title":"a",}'),
    "a name without quotes": (422, b'{title:"a"}'),
    "NaN": (422, b'{"title":"a","completed":NaN}'),
    "a byte order mark": (422, b"\xef\xbb\xbf" + title(b"a")),
    "UTF-16": (422, title(b"a").decode().encode("utf-16")),
    "UTF-32": (422, title(b"a").decode().encode("utf-32-le")),
    "XML": (422, b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    "a form": (422, b"title=a&completed=true"),
    "YAML": (422, b'title: !!python/object/apply:os.system ["id"]'),
    "a pickle": (422, b"cos\nsystem\n(S'id'\ntR."),
    # Too deep, too long
    "deep lists": (422, b"[" * 30_000),
    "deep objects": (422, b'{"a":' * 10_000),
    "deep in a member": (422, b'{"title":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    "a long number": (422, b'{"title":' + b"9" * 60_000 + b"}"),
    "a large exponent": (422, b'{"title":1e999999999}'),
    "many members": (422, b"{" + b",".join(b'"a%d":1' % n for n in range(5000)) + b"}"),
    "members repeated": (
        422,
        b"{" + b",".join([b'"title":"a","description":""'] * 2259) + b"}",
    ),
    "a title repeated": (422, b"{" + b",".join([b'"title":"a"'] * 5000) + b"}"),
    "members that collide": (
        422,
        b"{" + b",".join(b'"%s":1' % (b"a" * n) for n in range(1, 300)) + b"}",
    ),
    "a long name": (422, b'{"' + b"a" * 60_000 + b'":1}'),
    "a long title": (422, title(b"a" * 60_000)),
    "a title of 256": (422, title(b"a" * 256)),
    "a description of 2001": (422, b'{"title":"a","description":"' + b"a" * 2001 + b'"}'),
    # Members that are none of the client's business
    **{
        f"{name} given": (422, b'{"title":"a","' + name.encode() + b'":' + value + b"}")
        for name, value in (
            ("owner_id", b'"bob"'),
            ("user_id", b'"bob"'),
            ("created_at", b'"2000-01-01T00:00:00Z"'),
            ("updated_at", b"null"),
            ("version", b"1"),
            ("__proto__", b'{"admin":true}'),
            ("constructor", b"{}"),
            ("__class__", b'"x"'),
            ("$where", b'"1"'),
            ("Title", b'"b"'),
            ("title ", b'"b"'),
            ("title\\u0000", b'"b"'),
            ("", b"1"),
        )
    },
    # Wrong types
    **{
        f"title {value.decode()}": (422, b'{"title":' + value + b"}")
        for value in (
            b"null",
            b"true",
            b"1",
            b"1.5",
            b'["a"]',
            b'{"a":"b"}',
            b'{"$ne":null}',
            b'""',
            b'" "',
            b'"\\t\\n"',
            b'"\\u3000"',
        )
    },
    **{
        f"completed {value.decode()}": (422, b'{"title":"a","completed":' + value + b"}")
        for value in (b"null", b'"true"', b"1", b"0", b'"yes"', b"[]", b"{}")
    },
    "description a number": (422, b'{"title":"a","description":1}'),
    # Text
    "NUL": (422, title(b"a\\u0000b")),
    "a NUL byte": (422, title(b"a\x00b")),
    "a control": (422, title(b"a\x1fb")),
    "a line break": (422, title(b"a\nb")),
    "a high surrogate": (422, title(b"\\ud800")),
    "a low surrogate": (422, title(b"\\udc00")),
    "surrogates in the wrong order": (422, title(b"\\udc00\\ud800")),
    "a surrogate in UTF-8": (422, title(b"\xed\xa0\x80")),
    "bad UTF-8": (422, title(b"\xff")),
    "overlong UTF-8": (422, title(b"\xc0\xaf")),
    "cut UTF-8": (422, title(b"\xe2\x82")),
    "beyond Unicode": (422, title(b"\xf4\x90\x80\x80")),
    "an unknown escape": (422, title(b"\\x41")),
    "a short escape": (422, title(b"\\u12")),
    # Text is text, and harmless
    "SQL": (201, title(b"'); DROP TABLE tasks; --")),
    "a parameter": (201, title(b"$1 :owner_id %s {0} ${a}")),
    "HTML": (201, title(b"<script>alert(1)</script>")),
    "a formula": (201, title(b"=cmd|' /C calc'!A0")),
    "right to left": (201, title("\u202egnp.exe".encode())),
    "combining characters": (201, title(("a" + "\u0301" * 254).encode())),
    "noncharacters": (201, title("\uffff\U0010ffff".encode())),
    "emoji": (201, title("👩‍👩‍👧‍👦".encode())),
    "a pair of surrogates": (201, title(b"\\ud83d\\ude00")),
    "zero width": (201, title("a\u200bb".encode())),
}
