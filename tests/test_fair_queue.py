"""The queue that serves its keys in turn."""

import random

import pytest

from service.fair_queue import FairQueue
from tests.counting import calls


def filled(**items: int) -> FairQueue[str, str]:
    """A queue with so many items of each key: `a0`, `a1`, …; all of the first key come first."""
    queue: FairQueue[str, str] = FairQueue()
    for key, number in items.items():
        for each in range(number):
            queue.append(key, f"{key}{each}")
    return queue


def rest(queue: FairQueue[str, str]) -> list[str]:
    """All items in the order of their turns."""
    return [queue.popleft()[1] for _ in range(queue.size)]


def test_keys_take_turns() -> None:
    """Each key's oldest item is next in its turn, however many came before from another key."""
    assert rest(filled(a=4, b=2, c=1)) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]


def test_a_key_that_comes_back_is_last() -> None:
    """A key with one item at a time gets no more turns than a key with many."""
    queue = filled(a=3, b=1)
    served = []
    for number in range(1, 4):
        served += [queue.popleft()[1], queue.popleft()[1]]
        queue.append("b", f"b{number}")
    assert served == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_round_has_an_item_of_each_key() -> None:
    """A round has an item of each key, or of those whose turn it is."""
    queue = filled(a=3, b=1, c=2)
    assert [*queue.round()] == [("a", "a0"), ("b", "b0"), ("c", "c0")]
    assert [*queue.round(1)] == [("a", "a1")]
    assert [*queue.round(9)] == [("c", "c1"), ("a", "a2")]
    assert [*queue.round()] == []


def test_the_key_with_the_most_loses_its_newest_item() -> None:
    """The newest item of the key with the most goes first; of equals, the key's that grew last."""
    queue = filled(a=2, b=4, c=1)
    assert [queue.pop()[1] for _ in range(7)] == ["b3", "b2", "b1", "a1", "c0", "b0", "a0"]


def test_an_item_that_leaves_is_not_served() -> None:
    """One that leaves is neither served nor counted; one that has left already does no harm."""
    queue = filled(a=3, b=1)
    for item in ("a1", "a1", "c"):
        queue.discard("a", item)
    queue.discard("b", "b0")
    queue.discard("c", "a0")
    assert queue.size == 2
    assert rest(queue) == ["a0", "a2"]


def test_random_steps_equal_a_list_of_lists() -> None:
    """Random steps leave the queue equal to a list of lists."""
    dice = random.Random(3)
    queue: FairQueue[str, int] = FairQueue()
    keys: list[str] = []
    items: dict[str, list[int]] = {}

    def remove(key: str, item: int) -> None:
        items[key].remove(item)
        if not items[key]:
            keys.remove(key)

    for number in range(20_000):
        step = dice.choice(["append", "append", "popleft", "pop", "discard"])
        if step == "append" and (key := dice.choice("abcdef")):
            queue.append(key, number)
            items.setdefault(key, []).append(number)
            keys += [key] * (key not in keys)
        elif step == "popleft" and keys:
            key, item = queue.popleft()
            assert (key, item) == (keys[0], items[key][0])
            remove(key, item)
            if items[key]:
                keys.remove(key)
                keys.append(key)
        elif step == "pop" and keys:
            key, item = queue.pop()
            assert item == items[key][-1]
            assert len(items[key]) == max(map(len, items.values()))
            remove(key, item)
        elif step == "discard" and keys:
            key = dice.choice(keys)
            item = dice.choice(items[key])
            queue.discard(key, item)
            remove(key, item)
        assert queue.size == sum(map(len, items.values()))


@pytest.mark.parametrize("step", ["append", "popleft", "pop", "discard"])
def test_a_step_costs_the_same_in_a_long_queue(step: str) -> None:
    """A step is a few calls with 10,000 items, of one key or of as many keys, as with two."""
    queues = [filled(a=2), filled(a=10_000), filled(**{f"k{n}": 1 for n in range(10_000)})]
    assert max(_calls(queue, step) for queue in queues) <= 16


def _calls(queue: FairQueue[str, str], step: str) -> int:
    """How many functions, Python's own included, the step calls."""
    arguments = {"append": ("a", "new"), "discard": ("a", "a1")}.get(step, ())
    return calls(lambda: getattr(queue, step)(*arguments))
