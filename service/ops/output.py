"""Write to standard error without blocking: a stuck reader must not delay requests.

Container runtimes read logs through pipes. If one is stuck, the pipe is full, and a plain write
would block the process.
"""

import asyncio
import os
import select
import time
from collections import deque
from threading import Lock

GATHER = 0.05
"""Seconds for which lines of the access log are gathered into one write."""
MAX_WAITING = 10_000
"""Lines, about 4 MB, that wait for a stuck reader; further ones are dropped and counted."""
LAST_WORDS = 2.0
"""Seconds that a process waits at its end for its last lines to be read."""


class Output:
    """Writes lines to a file descriptor, in order.

    A write has complete lines, and at most PIPE_BUF bytes. A ready pipe takes that much without
    blocking, and atomically (POSIX, write); only the pieces of a longer line may be interleaved
    with other processes' output.
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
        """Write the line, which ends in a newline, and all before it; queue them if the reader is
        stuck.
        """
        if self._append(line):
            self._write()

    def flush(self) -> None:
        """Write all queued lines. Give up on a stuck reader after LAST_WORDS seconds."""
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
        """Write until the queue is empty or the reader is stuck; return whether it is empty."""
        with self._lock:
            while self._lines:
                if not self._poll.poll(0):
                    return False
                data = self._next()
                try:
                    written = os.write(self._descriptor, data)
                # Another process filled the pipe, on a nonblocking descriptor
                except BlockingIOError:
                    written = 0
                except OSError:  # closed: no reader is left
                    self.dropped += data.count(b"\n")
                    continue
                if written < len(data):
                    self._lines.appendleft(data[written:])
        return True

    def _next(self) -> bytes:
        """Return the bytes of the next write."""
        data = self._lines.popleft()
        if len(data) > select.PIPE_BUF:
            self._lines.appendleft(data[select.PIPE_BUF :])
            return data[: select.PIPE_BUF]
        lines, size = [data], len(data)
        while self._lines and (size := size + len(self._lines[0])) <= select.PIPE_BUF:
            lines.append(self._lines.popleft())
        return b"".join(lines)
