"""Erasing all that the service has of its caller."""

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
"""How many rows one statement removes: short enough for others of the owner's to wait for."""
STEPS = 50
"""How many statements one request may take."""


class ConfirmationRequired(Problem):
    """This would erase everything of the caller's for good, and asks for a confirmation. Nothing
    was changed.

    Send the request with `If-Match: *` if that is what you want.
    """

    status, slug, title = 428, "confirmation-required", "Precondition required"
    detail: ClassVar[str] = "Send If-Match: * to erase everything for good"


class MoreToErase(Unavailable):
    """A part has been erased for good, more than one request may take is left.

    Send the request again, as it was, after the seconds in `Retry-After`, until the answer is 204.
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

    `If-Match: *` confirms it. Repeating it does no harm, so that it needs no `Idempotency-Key`; 503
    says that there is more left than one request may erase. Tokens of sync and lists that were
    given out before are void. What is written while this runs may stay.
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
