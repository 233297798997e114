"""What attackers cost other clients, and what timing reveals: two ratios, each within one run.

python -m tests.bench.hostile [ROUNDS]

- p99 of four clients who read their tasks, while 50 connections never finish their heads and 50
  send their bodies byte by byte,
  to the same without them. Quiet and attacked spells of two seconds take turns. Medians of the
  rounds.
- The answer to each wrong token of the attack tables, timed from the first byte sent to the last
  one read, to that of a token
  that is right in everything but its signature. Rows take turns in random order, on one connection.
  Medians.
"""

import contextlib
import http.client
import random
import re
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from service.auth.tokens import sign
from service.dev import postgres
from tests.attacks.judge import SESSION
from tests.auth.forgeries import OTHER, ROWS, signed
from tests.commands import TASKS, command, running
from tests.conftest import SECRET

SPELL = 2.0
CLIENTS, HALF_OPEN, SLOW = 4, 50, 50
HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
BODY = (
    f"POST {TASKS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length:"
    " 60000\r\n".encode()
)

Address = tuple[str, int]


@contextlib.contextmanager
def attacked(address: Address) -> Iterator[None]:
    """Hold the connections open, with a byte four times a second on each; reopen those that the
    service closes.
    """
    opening = [HEAD] * HALF_OPEN + [
        BODY + b"Authorization: Bearer " + sign(SECRET, "mallory", ttl=600).encode() + b"\r\n\r\n"
    ] * SLOW
    stop = Event()

    def attack() -> None:
        open_ones: dict[int, socket.socket] = {}
        while not stop.is_set():
            for number, first in enumerate(opening):
                try:
                    if number in open_ones:
                        open_ones[number].send(b" ")
                    else:
                        open_ones[number] = socket.create_connection(address, timeout=5)
                        open_ones[number].send(first)
                except OSError:
                    open_ones.pop(number).close()
            stop.wait(0.25)
        for each in open_ones.values():
            each.close()

    thread = Thread(target=attack)
    thread.start()
    time.sleep(0.5)
    try:
        yield
    finally:
        stop.set()
        thread.join()


def p99(address: Address) -> tuple[float, int]:
    """Return the p99 in milliseconds and the number of requests, of all clients in one spell."""
    times: list[float] = []

    def read() -> None:
        connection = http.client.HTTPConnection(*address, timeout=10)
        headers = {"Authorization": f"Bearer {sign(SECRET, 'alice', ttl=600)}"}
        until = time.perf_counter() + SPELL
        while (start := time.perf_counter()) < until:
            connection.request("GET", f"{TASKS}?limit=10", headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            times.append((time.perf_counter() - start) * 1000)
        connection.close()

    threads = [Thread(target=read) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statistics.quantiles(times, n=100)[98], len(times)


def harm(address: Address, rounds: int) -> None:
    """Print the other clients' p99, with and without attackers."""
    quiet: list[float] = []
    loud: list[float] = []
    requests = 0
    for _ in range(rounds):
        for attackers, found in ((contextlib.nullcontext(), quiet), (attacked(address), loud)):
            with attackers:
                milliseconds, number = p99(address)
            found.append(milliseconds)
            requests += number
    without, with_ = statistics.median(quiet), statistics.median(loud)
    print(f"p99 of {CLIENTS} others, {requests} requests in {rounds} rounds:")
    print(
        f"  quiet {without:.2f} ms, with {HALF_OPEN} half-open and {SLOW} slow {with_:.2f} ms,"
        f" ratio {with_ / without:.2f}"
    )


def clock(address: Address, rounds: int) -> None:
    """Print how long the answers to wrong tokens take."""
    rows = {"signature (the reference)": signed(secret=OTHER), **ROWS}
    # What cannot be sent as a header, or is refused before anybody looks at the token, has no part
    # in this.
    rows = {
        name: value
        for name, value in rows.items()
        if value.isascii() and not re.search(rb"^$|^ | $|[\n\0]", value) and len(value) < 8192
    }
    times: dict[str, list[float]] = {name: [] for name in rows}
    with socket.create_connection(address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dice, order = random.Random(1), [*rows.items()]
        for _ in range(rounds):
            # What the service does now and then must not always hit the same row
            dice.shuffle(order)
            for name, value in order:
                request = (
                    f"GET {SESSION} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ".encode()
                    + value
                    + b"\r\n\r\n"
                )
                start = time.perf_counter()
                connection.sendall(request)
                answer = connection.recv(65536)
                while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
                    answer += connection.recv(65536)
                times[name].append((time.perf_counter() - start) * 1e6)
                assert answer.startswith(b"HTTP/1.1 401"), (name, answer)
    medians = {name: statistics.median(found) for name, found in times.items()}
    reference = medians.pop("signature (the reference)")
    ordered = sorted(medians.items(), key=lambda row: row[1])
    print(
        f"wrong tokens, {len(ordered)} rows, {rounds} times each; a wrong signature takes"
        f" {reference:.0f} us; the others to it:"
    )
    for name, median in (*ordered[:3], ordered[len(ordered) // 2], *ordered[-3:]):
        print(f"  {median / reference:5.2f}  {name}")


def main(rounds: int) -> None:
    """Start a service on a database of its own, and print both."""
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.running(Path(folder) / "pg", {"fsync": "off"}) as server,
    ):
        done = command("migrate", cwd=Path(folder), DATABASE_URL=server.dsn)
        assert done.returncode == 0, done.stderr
        with running("serve", cwd=Path(folder), DATABASE_URL=server.dsn, JWT_SECRET=SECRET) as run:
            url = run.client.base_url
            assert url.port is not None
            for number in range(20):
                run.client.post(TASKS, json={"title": f"task {number}"})
            harm((url.host, url.port), rounds)
            clock((url.host, url.port), rounds * 20)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
