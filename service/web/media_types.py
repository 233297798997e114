"""Content-Type of a request (RFC 9110, section 8.3)."""

import re
from functools import lru_cache

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ESSENCE = re.compile(rf"[ \t]*({_WORD}/{_WORD})[ \t]*")
# A parameter may be missing between two semicolons, and after the last.
_PARAMETER = re.compile(rf';[ \t]*(?:({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*"))?[ \t]*')


@lru_cache(maxsize=64)  # clients' libraries send few different ones
def essence_in_utf8(content_type: str) -> str:
    """Return the media type without parameters, in lower case; "" if it is malformed, or has
    another charset than UTF-8.
    """
    found = _ESSENCE.match(content_type)
    if found is None:
        return ""
    essence, position = found[1].lower(), found.end()
    while position < len(content_type):
        parameter = _PARAMETER.match(content_type, position)
        if parameter is None:
            return ""
        name, value = (parameter[1] or "").lower(), (parameter[2] or "").strip('"').lower()
        # JSON is UTF-8 (RFC 8259, section 8.1): accept `charset=utf-8`, no other.
        if name == "charset" and value not in ("utf-8", "utf8"):
            return ""
        position = parameter.end()
    return essence
