"""The OpenAPI document, and the page to read it."""

import asyncio
from importlib.metadata import PackageNotFoundError
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from ..contract import docs_page
from ..contract.operation import Answer, Operation
from ..web.exchange import Exchange
from ..web.input import JSON
from ..web.problem_types import NotFound
from .services import services_of

Asset = Annotated[
    docs_page.Asset, Field(description="A file that the page needs.", examples=["docs.js"])
]


@Operation(tag="service", answers={200: Answer("This document.", media_types=(JSON,))})
async def get_openapi(request: Exchange) -> Response:
    """Read this contract, an OpenAPI 3.1 document."""
    contract = services_of(request).contract
    return (await asyncio.to_thread(contract, request.prefix)).answer(request)


@Operation(tag="service", answers={200: Answer("The page.", media_types=("text/html",))})
async def get_docs(request: Exchange) -> Response:
    """Read and try the API in a browser."""
    return (await asyncio.to_thread(docs_page.page)).answer(request)


@Operation(
    tag="service",
    path={"asset": Asset},
    answers={200: Answer("The file.", media_types=("text/css", "text/javascript"))},
)
async def get_docs_asset(request: Exchange) -> Response:
    """Get a file that the page at `/docs` needs."""
    name = request.path_params["asset"]
    if name not in docs_page.ASSETS:
        raise NotFound
    try:
        file = await asyncio.to_thread(docs_page.asset, name)
    except PackageNotFoundError:
        raise NotFound from None
    return file.answer(request)
