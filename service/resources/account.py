"""Erase all data of the caller."""

from typing import ClassVar

from starlette.responses import Response

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Header, Operation
from ..web.conditions import conditions_of
from ..web.exchange import Exchange
from ..web.problem import Problem
from ..web.problem_types import OutcomeUnknown, TooSlow, Unavailable
from .services import services_of
from .task import OF_USER

STEP = 1000
"""Rows that one statement erases: few, as the owner's other writes wait for it."""
STEPS = 50
"""Most statements in one request."""


class ConfirmationRequired(Problem):
    """This would erase all data of the caller for good, and needs a confirmation. Nothing was
    changed.

    Send the request with `If-Match: *` if that is what you want.
    """

    status, slug, title = 428, "confirmation-required", "Precondition required"
    detail: ClassVar[str] = "Send If-Match: * to erase everything for good"


class MoreToErase(Unavailable):
    """A part is erased for good; the rest is more than one request may erase.

    Send the same request again after the seconds in `Retry-After`, until you get 204.
    """

    slug, title = "more-to-erase", "More to erase"
    detail: ClassVar[str] = "A part is erased: repeat the request until it is answered 204"


@Operation(
    tag="account",
    auth=owner_of,
    path=OF_USER,
    own_headers={
        "If-Match": Header("`*` confirms it. Without it: 428.", {"type": "string", "enum": ["*"]})
    },
    answers={204: Answer("Nothing is left.")},
    problems=(ConfirmationRequired, MoreToErase, OutcomeUnknown, TooSlow),
    examples=(Example("Good-bye", 204, headers={"If-Match": "*"}),),
)
async def erase_account(request: Exchange) -> Response:
    """Erase all tasks of the caller, the trash, kept answers and counters, for good.

    `If-Match: *` confirms it. Repeating it is safe without an `Idempotency-Key`; 503 means that
    more is left than one request may erase. Earlier sync tokens and cursors become invalid. Tasks
    written during the request may remain.
    """
    owner = owner_of(request)
    if conditions_of(request).match != "*":
        raise ConfirmationRequired
    queries = services_of(request).queries
    for _ in range(STEPS):
        if not (
            await queries.count("account/erase_tasks", owner, at_most=STEP)
            or await queries.count("account/erase_keys", owner, at_most=STEP)
        ):
            await queries.count("account/erase_owner", owner)
            return Response(status_code=204)
    raise MoreToErase
