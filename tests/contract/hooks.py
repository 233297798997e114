"""What no schema can say of the contract, for the fuzzer: cursors must be ours, and go with the filter they are of."""

import os
from typing import Any

import schemathesis
from hypothesis import strategies as st

CURSORS = os.environ["CURSORS"].split(",")
"""Of the list without a filter."""

schemathesis.openapi.format("cursor", st.sampled_from(CURSORS))


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """A sound request with a sound cursor has neither another filter nor an offset."""
    sound = case.meta is not None and case.meta.generation.mode.is_positive
    if sound and case.query.get("cursor") in CURSORS:
        case.query = {name: value for name, value in case.query.items() if name not in ("completed", "offset")}
