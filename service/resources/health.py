"""Probes of liveness and readiness, and the root."""

import logging
from collections.abc import Mapping
from typing import ClassVar, Literal

from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..contract.operation import Answer, Example, Operation
from ..web.exchange import Exchange, prefix
from ..web.problem import ProblemDetails
from ..web.problem_types import Unavailable
from ..web.replies import reply
from .services import services_of

log = logging.getLogger("service")


class NotReadyDetails(ProblemDetails):
    """The service should get no traffic yet, with the outcome of each check."""

    checks: dict[str, str]


class NotReady(Unavailable):
    """The service runs but should get no traffic yet: a check failed.

    `checks` says which. The service's log says why.
    """

    slug, title, detail = "not-ready", "Not ready", "Not ready"
    document = NotReadyDetails
    example: ClassVar[Mapping[str, object]] = {
        "checks": {"database": "failed", "schema": "unknown"}
    }


class Root(TypedDict):
    """The root resource."""

    status: Literal["ok"]
    service: str
    links: dict[str, str]


class Health(TypedDict):
    """The process is healthy."""

    status: Literal["healthy"]


class Liveness(TypedDict):
    """The process is alive."""

    status: Literal["ok"]


class Ready(TypedDict):
    """The service is ready, with the outcome of each check."""

    status: Literal["ok"]
    checks: dict[str, str]


LINKS = {
    "contract": "/openapi.json",
    "docs": "/docs",
    "health": "/livez",
    "problems": "/problems",
    "readiness": "/readyz",
}


@Operation(
    tag="service",
    answers={200: Answer("The service is there.", Root)},
    examples=(
        Example("The front door", 200, {"status": "ok", "service": "task-service", "links": LINKS}),
    ),
)
async def get_root(_: Exchange) -> Response:
    """Get the links to the API and its documentation."""
    links = {name: prefix() + path for name, path in LINKS.items()}
    return reply({"status": "ok", "service": "task-service", "links": links})


@Operation(
    tag="service",
    answers={200: Answer("The process is healthy.", Health)},
    examples=(Example("Healthy", 200, {"status": "healthy"}),),
)
async def get_health(_: Exchange) -> Response:
    """Check that the process is alive, in the form for older clients."""
    return reply({"status": "healthy"})


@Operation(
    tag="service",
    answers={200: Answer("The process lives.", Liveness)},
    examples=(Example("Alive", 200, {"status": "ok"}),),
)
async def get_livez(_: Exchange) -> Response:
    """Check that the process is alive. It checks nothing else."""
    return reply({"status": "ok"})


@Operation(
    tag="service",
    answers={200: Answer("Traffic may come.", Ready)},
    problems=(NotReady,),
    examples=(
        Example("Ready", 200, {"status": "ok", "checks": {"database": "ok", "schema": "ok"}}),
    ),
)
async def get_readyz(request: Exchange) -> Response:
    """Check that traffic may come; 503 names the failed check."""
    checks = await services_of(request).readiness.checks()
    failed = [name for name, outcome in checks.items() if outcome != "ok"]
    if failed:
        raise NotReady(f"Not ready: {', '.join(failed)}", members={"checks": checks})
    return reply({"status": "ok", "checks": checks})
