"""The cost of a request on its way through the protocol, counted in calls."""

from pathlib import Path
from types import FrameType

import pytest

import service
from tests.counting import Calls, any_function
from tests.server.bounded import GET, answer, connected, served

OURS = str(Path(service.__file__).parent)
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"


@pytest.mark.parametrize(("asked", "calls"), [(GET, 110), (POST, 128)], ids=["GET", "POST"])
async def test_a_request_passes_the_server_in_bounded_calls(asked: bytes, calls: int) -> None:
    """From the first byte read to the last one written, the service's code makes a bounded number
    of calls, of functions in Python and in C.
    """

    def counts(frame: FrameType, event: str) -> bool:
        return any_function(frame, event) and frame.f_code.co_filename.startswith(OURS)

    seen = []
    async with served() as port, connected(port) as (reader, writer):
        for _ in range(5):
            with Calls(counts) as counted:
                writer.write(asked)
                assert (await answer(reader)).startswith(b"HTTP/1.1 200")
            seen.append(counted.number)
    assert min(seen) <= calls  # a timer of the server may fall into any of them
