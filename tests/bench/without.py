"""The service without one of its parts, for measuring what the part costs.

python -m tests.bench.without layers|id

`layers`: CORS, security headers, time-outs and admission. `id`: all requests have the same id.
"""

import sys

from service.__main__ import main
from service.layers import dispatch
from service.layers.admission import Admission
from service.layers.browsers import Cors
from service.layers.timeout import Timeout
from service.web import exchange


def nothing(*_: object) -> None:
    """Let a request or a response pass as it is."""


KNOWN = "0198c2f4-6a00-7d3e-9b51-2f8f3b6f7d10"
"""The id of all requests."""
LEFT_OUT = {
    "layers": (
        (Cors, "check", nothing),
        (dispatch, "harden", nothing),
        (Admission, "enter", nothing),
        (Timeout, "begin", nothing),
        (Timeout, "end", lambda _, request: request.end()),
    ),
    "id": ((exchange, "uuid7", lambda: KNOWN),),
}
"""By part: the functions that do its work, and what runs in their place."""


if __name__ == "__main__":
    for owner, name, replacement in LEFT_OUT[sys.argv[1]]:
        setattr(owner, name, replacement)
    sys.exit(main(["serve"]))
