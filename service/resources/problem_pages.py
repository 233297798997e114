"""The pages at the `type` of every problem, with its meaning and cure."""

import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.responses import Response

from ..contract.docs_page import PAGES
from ..contract.operation import Answer, Operation
from ..web.documents import Document
from ..web.exchange import Exchange, prefix
from ..web.negotiation import best
from ..web.problem import Problem, details, kinds
from ..web.problem_types import NotFound

HTML, TEXT = "text/html", "text/plain"
_FORMS = (TEXT, HTML)  # without HTML in Accept, assume a terminal
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_INSTANCE = "0198c2f4-6a00-7d3e-9b51-0a1b2c3d4e5f"

Slug = Annotated[
    str, Field(description="The last step of a problem's `type`.", examples=["invalid"])
]


@Operation(tag="service", answers={200: Answer("Every kind of problem.", media_types=_FORMS)})
async def get_problems(request: Exchange) -> Response:
    """List all problems."""
    return _page(_form(request), prefix(), None).answer(request)


@Operation(
    tag="service",
    path={"slug": Slug},
    answers={200: Answer("What it means and what to do.", media_types=_FORMS)},
)
async def get_problem(request: Exchange) -> Response:
    """Read what a problem means and what to do. The `type` of a problem is this URL."""
    slug = request.path_params["slug"]
    if slug not in kinds():
        raise NotFound
    return _page(_form(request), prefix(), slug).answer(request)


def _form(request: Exchange) -> str:
    return best(tuple(request.lines(b"accept")), _FORMS) or TEXT


@lru_cache(maxsize=256)
def _page(form: str, prefix: str, slug: str | None) -> Document:
    known = sorted(kinds().values(), key=lambda kind: (kind.status, kind.slug))
    if form == HTML:
        title, body = (
            ("Problems", _index(known, prefix))
            if slug is None
            else (kinds()[slug].title, _article(kinds()[slug], prefix))
        )
        text = (
            (PAGES / "problem.html")
            .read_text("utf-8")
            .replace("{prefix}", prefix)
            .replace("{title}", escape(title))
            .replace("{body}", body)
        )
    elif slug is None:
        text = "".join(
            f"{kind.status}  {prefix}/problems/{kind.slug}  {kind.title}\n" for kind in known
        )
    else:
        kind = kinds()[slug]
        text = f"{kind.title} ({kind.status})\n\n{kind.explanation()}\n\n{_example(kind)}\n"
    return Document(
        text.encode(),
        form,
        {"Content-Security-Policy": _POLICY, "Vary": "Accept, Accept-Encoding, Origin"},
    )


def _index(known: list[type[Problem]], prefix: str) -> str:
    items = "\n".join(
        f'<li><span class="status">{kind.status}</span> <a'
        f' href="{prefix}/problems/{kind.slug}">{escape(kind.title)}</a>:'
        f" {_prose(_meaning(kind))}</li>"
        for kind in known
    )
    return f"<h1>What can go wrong</h1>\n<ul>\n{items}\n</ul>"


def _article(kind: type[Problem], prefix: str) -> str:
    return "\n".join(
        (
            f'<p class="status">{kind.status} · <code>{prefix}/problems/{kind.slug}</code></p>',
            f"<h1>{escape(kind.title)}</h1>",
            f"<h2>What it means</h2>\n<p>{_prose(_meaning(kind))}</p>",
            *(f"<h2>What to do</h2>\n<p>{_prose(text)}</p>" for text in _cures(kind)),
            f"<h2>What it looks like</h2>\n<pre>{escape(_example(kind))}</pre>",
            (
                f'<p><a href="{prefix}/problems">All problems</a> ·'
                f' <a href="{prefix}/docs">The API</a></p>'
            ),
        )
    )


def _meaning(kind: type[Problem]) -> str:
    return kind.explanation().partition("\n\n")[0]


def _cures(kind: type[Problem]) -> Iterator[str]:
    yield from filter(None, (kind.explanation().partition("\n\n")[2],))


def _prose(text: str) -> str:
    """Return a docstring's paragraph as HTML: `code` is its only markup."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(" ".join(text.split()), quote=False))


def _example(kind: type[Problem]) -> str:
    document = details(kind, kind.detail, _INSTANCE) | dict(kind.example)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
