"""Write service/SETTINGS.md, the table of all settings, from their docstrings: `make settings`."""

from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.contract.docstrings import docstrings
from service.settings import DatabaseSettings, LogSettings, Settings, TokenSettings

PAGE = Path(__file__).parents[1] / "service" / "SETTINGS.md"
HEAD = """\
# Settings

All settings come from the environment. Set `DATABASE_URL`, and one of `BETTER_AUTH_SECRET`, `JWT_SECRET`
and `JWKS_URL`. Traces have OpenTelemetry's own `OTEL_…` variables. Each can also be given as a file:
`DATABASE_URL_FILE=/run/secrets/database_url`. A fault in any of them stops the start with one
message that lists all. Made by `make settings`; a test keeps it true.

| variable | default | meaning |
|---|---|---|
"""


def shown(field: FieldInfo) -> str:
    """Return a default as it would stand in the environment; empty where there is none."""
    match field.default:
        case None | SecretStr() | ():
            return ""
        case tuple(items):
            return f"`{','.join(items)}`"
        case float(number):
            return f"`{number:g}`"
        case default:
            return "" if field.is_required() else f"`{default}`"


def page() -> str:
    """Return the whole page. Raises KeyError for a setting without a docstring."""
    meaning = {name: " ".join(text.split()) for name, text in docstrings(Settings).items()}
    fields = {
        name: field
        for model in (DatabaseSettings, TokenSettings, LogSettings, Settings)
        for name, field in model.model_fields.items()
    }
    rows = [
        f"| `{name.upper()}` | {shown(field)} | {meaning[name]} |" for name, field in fields.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
