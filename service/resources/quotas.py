"""How much an owner may have. The statements that write hold it: they look at the newest counts,
under the owner's lock.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..db import shapes
from ..web.problem import Problem, ProblemDetails


class Amounts(TypedDict):
    """Tasks, and bytes of their titles and descriptions in UTF-8; null where there is no such
    quota.
    """

    tasks: int | None
    bytes: int | None


class QuotaDetails(ProblemDetails):
    """A change that there is no room for: what the caller may have, and what the caller has."""

    quota: Amounts
    usage: Amounts


class QuotaExceeded(Problem):
    """With this change you would have more tasks, or more bytes in their titles and descriptions,
    than your quota allows.

    Nothing was changed. `quota` is what you may have (null: as much as you like), `usage` what you
    have. Delete tasks or shorten some, then send the request again; its `Idempotency-Key` has not
    been used up. What makes no task longer is never refused.
    """

    # 409 (RFC 9110, section 15.5.10): it is the state that is in the way, and the client can mend
    # it. 507 (RFC 4918) would be a fault of the server's to every proxy, retry and alarm; 413 is
    # about the request's own size, and 422 about its form.
    status, slug, title, detail = (
        409,
        "quota-exceeded",
        "Quota exceeded",
        "There is no room for it in your quota",
    )
    document = QuotaDetails
    example: ClassVar[Mapping[str, object]] = {
        "quota": {"tasks": 1000, "bytes": None},
        "usage": {"tasks": 1000, "bytes": 24617},
    }


class Quotas(NamedTuple):
    """What each owner may have; None: as much as they like."""

    tasks: int | None
    bytes: int | None

    @property
    def parameters(self) -> shapes.Limits:
        """The limits as the statements take them that may make a task."""
        return {"max_tasks": self.tasks, "max_bytes": self.bytes}

    def allow(self, tasks: int, bytes: int) -> bool:  # noqa: A002 - the quota's own name
        """Return whether an owner may have that many."""
        return not (
            (self.tasks is not None and tasks > self.tasks)
            or (self.bytes is not None and bytes > self.bytes)
        )

    # The quota's own name.
    def exceeded(self, tasks: int, bytes: int) -> QuotaExceeded:  # noqa: A002
        """Return the problem for an owner who has that many tasks and bytes."""
        return QuotaExceeded(
            members={"quota": self._asdict(), "usage": {"tasks": tasks, "bytes": bytes}}
        )
