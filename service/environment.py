"""Read the settings from the environment, and report all faults at once.

`NAME_FILE=/run/secrets/name` reads a variable from a file, as containers pass secrets.
"""

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from .settings import SettingsError

S = TypeVar("S", bound=BaseSettings)


def read(kind: type[S]) -> S:
    """Return settings of that kind from the environment. Raises SettingsError with all faults."""
    values, faults = _from_files(kind)
    try:
        settings = kind(**values)
        if not faults:
            return settings
    except ValidationError as error:
        for fault in error.errors():
            faults.setdefault(str(fault["loc"][0]).upper(), _said(fault))
    raise SettingsError("\n".join(f"{variable}: {fault}" for variable, fault in faults.items()))


def _from_files(kind: type[BaseSettings]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of variables given as NAME_FILE, and the faults of unusable ones."""
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name in kind.model_fields:
        variable = name.upper()
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            continue
        if os.environ.get(variable):
            faults[variable] = f"given twice, as {variable} and as {variable}_FILE"
            continue
        try:
            # Editors add a newline at the end.
            values[name] = Path(path).read_text("utf-8").rstrip("\r\n")
            if not values[name]:
                faults[variable] = f"the file of {variable}_FILE is empty"
        except OSError as error:
            faults[variable] = f"the file of {variable}_FILE cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            faults[variable] = f"the file of {variable}_FILE is not UTF-8"
    return values, faults


def _said(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "missing":
            return "must be set"
        case "too_short":
            return f"must have {fault['ctx']['min_length']} characters at least"
        case _:
            return fault["msg"].removeprefix("Value error, ")
