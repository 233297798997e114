"""The limit of file descriptors determines the limit of connections."""

import resource

import pytest

from service.server import descriptors


@pytest.mark.parametrize(
    ("soft", "hard", "room", "raised"),
    [
        (1024, 4096, (800, 800), 1668),
        (2048, 4096, (800, 800), None),
        (256, 4096, (800, 800), 1668),
        (1024, 1024, (765, 191), None),
        (256, 512, (356, 88), 512),
        (256, 256, (151, 37), None),
        (256, resource.RLIM_INFINITY, (800, 800), 1668),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, (800, 800), None),
    ],
)
def test_the_soft_limit_is_raised_and_bounds_connections(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, room: tuple[int, int], raised: int | None
) -> None:
    """The soft limit is raised as far as allowed, and the limit of connections follows."""
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))
    assert descriptors.room_for_connections(4) == room
    assert limits == ([] if raised is None else [(raised, hard)])


def test_running_out_of_descriptors_is_logged_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That no descriptor is left is logged, once in a minute."""
    monkeypatch.setattr(descriptors, "_warned_at", -1e9)
    descriptors.warn_of_none_left()
    descriptors.warn_of_none_left()
    assert caplog.text.count("no file descriptor is left") == 1
