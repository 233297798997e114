"""Standard error without ever waiting for it: a reader who does not read must not hold up a
request.

Container runtimes pass logs on through pipes, and one that is stuck leaves the pipe full; a plain
write would then stop the whole process.
"""

import asyncio
import os
import select
import time
from collections import deque
from threading import Lock

GATHER = 0.05
"""Seconds that lines of the access log wait for others, to go out in one write."""
MAX_WAITING = 10_000
"""Lines, some 4 MB, that wait for a reader who is stuck; those beyond are dropped and counted."""
LAST_WORDS = 2.0
"""Seconds that an ending process waits for its last lines to be taken."""


class Output:
    """Lines to a file descriptor, in the order in which they were put.

    A write has whole lines and PIPE_BUF bytes at most. A pipe that is ready takes that much without
    blocking, and does not mix it with what other processes write (POSIX, write); only of a longer
    line may the pieces come apart.
    """

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._lock = Lock()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._loop: asyncio.AbstractEventLoop | None = None

    def put_soon(self, line: bytes) -> None:
        """Write the line, which ends in a newline, within GATHER seconds; in an event loop only."""
        if not self._append(line):
            return
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            loop.call_later(GATHER, self._write_some)

    def put(self, line: bytes) -> None:
        """Write the line, which ends in a newline, and all before it, unless the reader is stuck:
        then it waits.
        """
        if self._append(line):
            self._write()

    def flush(self) -> None:
        """Write all that waits. A reader who is stuck is given up after LAST_WORDS seconds."""
        deadline = time.monotonic() + LAST_WORDS
        while not self._write() and (left := deadline - time.monotonic()) > 0:
            self._poll.poll(left * 1000)

    def _append(self, line: bytes) -> bool:
        if len(self._lines) >= MAX_WAITING:
            self.dropped += 1
            return False
        self._lines.append(line)
        return True

    def _write_some(self) -> None:
        if self._write() or self._loop is None:
            self._loop = None
        else:
            self._loop.call_later(GATHER, self._write_some)

    def _write(self) -> bool:
        """Write until nothing waits, or the reader does not take more; whether nothing waits."""
        with self._lock:
            while self._lines:
                if not self._poll.poll(0):
                    return False
                data = self._next()
                try:
                    written = os.write(self._descriptor, data)
                # Somebody else was faster, on a descriptor that was given to us so
                except BlockingIOError:
                    written = 0
                except OSError:  # closed: there is nobody left to tell
                    self.dropped += data.count(b"\n")
                    continue
                if written < len(data):
                    self._lines.appendleft(data[written:])
        return True

    def _next(self) -> bytes:
        """What one write takes."""
        data = self._lines.popleft()
        if len(data) > select.PIPE_BUF:
            self._lines.appendleft(data[select.PIPE_BUF :])
            return data[: select.PIPE_BUF]
        lines, size = [data], len(data)
        while self._lines and (size := size + len(self._lines[0])) <= select.PIPE_BUF:
            lines.append(self._lines.popleft())
        return b"".join(lines)
