"""Quotas of owners. The writing statements enforce them on current counts, under the owner's
lock.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..db import shapes
from ..web.problem import Problem, ProblemDetails


class Amounts(TypedDict):
    """Tasks, and bytes of their texts in UTF-8; null without such a quota."""

    tasks: int | None
    bytes: int | None


class QuotaDetails(ProblemDetails):
    """A change that exceeds the quota: the caller's quota and usage."""

    quota: Amounts
    usage: Amounts


class QuotaExceeded(Problem):
    """With this change you would have more tasks, or more bytes in their titles and descriptions,
    than your quota allows.

    Nothing was changed. `quota` is what you may have (null: as much as you like), `usage` what you
    have. Delete tasks or shorten some, then send the request again; its `Idempotency-Key` has not
    been used up. What makes no task longer is never refused.
    """

    # 409 (RFC 9110, section 15.5.10): the state is in the way, and the client can change it. 507
    # (RFC 4918) would count as a server error to proxies, retries and alerts; 413 is about the
    # request's own size, 422 about its content.
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
    """The quotas of each owner; None: no quota."""

    tasks: int | None
    bytes: int | None

    @property
    def parameters(self) -> shapes.Limits:
        """Return the quotas as parameters of statements that may create a task."""
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
