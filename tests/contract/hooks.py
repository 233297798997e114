"""What no schema can say of the contract, for the fuzzer: tokens must be ours, of the same filter;
a key is new.
"""

import os
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
schemathesis.openapi.format("position", st.sampled_from(POSITIONS))
schemathesis.openapi.format(
    "entity-tags", st.sampled_from(["*", '"1"', 'W/"2"', '"1", W/"2", "x"'])
)


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """A sound request with a sound cursor has neither another filter nor an offset, and its key is
    its own.
    """
    sound = case.meta is not None and case.meta.generation.mode.is_positive
    if sound and case.query.get("cursor") in CURSORS:
        case.query = {
            name: value for name, value in case.query.items() if name not in ("completed", "offset")
        }
    # A key of another request is refused, whatever this one has.
    if sound and case.headers.get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = str(uuid4())
    # Examples have a token that is nobody's.
    if sound and case.headers.get("Last-Event-ID"):
        case.headers["Last-Event-ID"] = POSITIONS[0]
    # A stream ends with its token: within a second, here.
    token = f"Bearer {os.environ['TOKEN']}"
    if case.path.endswith("/stream") and case.headers.get("Authorization") == token:
        case.headers["Authorization"] = f"Bearer {sign(SECRET, 'alice', ttl=1 - LEEWAY)}"
