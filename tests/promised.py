"""Rows are what their statements' headers promise: mypy takes their word for it.

While the tests run, every row that the service reads in this process is looked at: no NULL where
the header has no `?`, no value of another type, the columns in the header's order, and the columns
of a shape that may be absent are NULL all together or not at all.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest

from service.db.execution import Execution
from service.db.fields import Use
from service.db.statement import Statement
from service.db.types import TYPES

UNWATCHED = {name: getattr(Execution, name) for name in ("alone", "inside")}
"""What the service runs, for tests that count what it does."""


def breaches(statement: Statement, row: Mapping[str, object]) -> Iterator[str]:
    """What a row has that its header does not say."""
    if list(row.keys()) != [column.name for column in statement.header.columns]:
        yield f"columns {', '.join(row.keys())}"
        return
    for column in statement.header.columns:
        value = row[column.name]
        if value is None and not column.nullable:
            yield f"{column.name} is NULL"
        elif value is not None and not TYPES[column.type].accepts(value):
            yield f"{column.name} is of type {type(value).__name__}"
    for use in statement.header.gives:
        if isinstance(use, Use) and use.optional:
            nulls = {field.name for field in use.fields if row[field.name] is None}
            if len(nulls) < len(use.fields) and any(
                field.name in nulls and not field.nullable for field in use.fields
            ):
                yield f"of {use.shape} only {', '.join(sorted(nulls))} are NULL"


def looked_at(patch: pytest.MonkeyPatch) -> None:
    """Look at all rows from now on, until the patch is undone."""
    for name, method in UNWATCHED.items():
        patch.setattr(Execution, name, _looking(method))


def _looking(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def look(*arguments: Any) -> Any:
        answer = await run(*arguments)
        (statement,) = (each for each in arguments if isinstance(each, Statement))
        if statement.rows != "count" and answer is not None:
            rows = answer if statement.rows == "many" else [answer]
            found = [breach for row in rows for breach in breaches(statement, row)]
            assert not found, f"{statement.name}: {'; '.join(sorted(set(found)))}"
        return answer

    return look
