"""The page to read and try the contract: Swagger UI, served from here.

The files come from the package fastapi-swagger, which follows Swagger UI's releases. Its code is
never imported, so it is installed without its dependencies (locks/assets.lock). Without it the page
says how to install it.
"""

from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Literal, get_args

from ..web.documents import Document

PAGES = Path(__file__).with_name("pages")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src"
    " 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: this origin alone, nothing inline."""

_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
Asset = Literal["docs.css", "docs.js", "problem.css", "swagger-ui-bundle.js", "swagger-ui.css"]
ASSETS: tuple[Asset, ...] = get_args(Asset)
"""The files that pages may load: ours, and the package's."""


@cache
def page() -> Document:
    """Return the page."""
    return _document(PAGES / "docs.html", {"Content-Security-Policy": POLICY})


@cache
def asset(name: Asset) -> Document:
    """Return one of ASSETS. Reading and compressing the largest takes about 60 ms.

    Raises PackageNotFoundError if Swagger UI is not installed.
    """
    path = PAGES / name
    return _document(path if path.is_file() else _package() / name)


def _package() -> Path:
    return Path(str(distribution("fastapi-swagger").locate_file("fastapi_swagger/resources")))


def _document(path: Path, headers: dict[str, str] | None = None) -> Document:
    return Document(path.read_bytes(), _TYPES[path.suffix], headers)
