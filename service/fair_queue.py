"""A queue that serves several keys in turn, so that one with many items delays only itself."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item", bound=Hashable)


class FairQueue(Generic[Key, Item]):
    """A queue of distinct items, each of a key: round robin over the keys, first in, first out
    within one.

    However much is queued, each step takes the same time. Hence OrderedDict: to find the first
    entry of a dict takes longer the more were deleted before it.
    """

    def __init__(self) -> None:
        self._items: OrderedDict[Key, OrderedDict[Item, None]] = OrderedDict()
        """The items of each key; the key whose turn it is comes first."""
        self._above: list[OrderedDict[Key, None]] = []
        """At index n: the keys with more than n items, in the order in which they got there."""
        self.size = 0
        """The number of items; an attribute, as this is asked for each request."""

    def append(self, key: Key, item: Item) -> None:
        """Add an item: a new key's turn comes after that of all others."""
        items = self._items.setdefault(key, OrderedDict())
        if len(items) == len(self._above):
            self._above.append(OrderedDict())
        self._above[len(items)][key] = None
        items[item] = None
        self.size += 1

    def popleft(self) -> tuple[Key, Item]:
        """Remove and return the oldest item of the key whose turn it is."""
        key, items = next(iter(self._items.items()))
        self._items.move_to_end(key)
        item = next(iter(items))
        self.discard(key, item)
        return key, item

    def round(self, most: int | None = None) -> Iterator[tuple[Key, Item]]:
        """Remove and return the oldest item of each key, or of the `most` whose turn it is."""
        keys = len(self._items) if most is None else min(most, len(self._items))
        for _ in range(keys):
            yield self.popleft()

    def pop(self) -> tuple[Key, Item]:
        """Remove and return the newest item of the key with the most."""
        key = next(reversed(self._above[-1]))
        item = next(reversed(self._items[key]))
        self.discard(key, item)
        return key, item

    def discard(self, key: Key, item: Item) -> None:
        """Remove an item if it is still here."""
        items = self._items.get(key)
        if items is None or item not in items:
            return
        del items[item]
        del self._above[len(items)][key]
        if not self._above[-1]:
            del self._above[-1]
        if not items:
            del self._items[key]
        self.size -= 1
