from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cpep.data.store import prepare as prepare_module
from cpep.data.store.arrays import Places


def test_places_are_given_in_order_whoever_asks_first() -> None:
    places, found = Places(3, 10, 2, None), {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: places.take(k, 100 * k, k)}), daemon=True)
        for k in (5, 4)
    ]
    for thread in threads:
        thread.start()
    assert not found, "both wait for recording 3"
    assert places.take(3, 300, 3) == (10, 2)
    for thread in threads:
        thread.join(10)
    assert found == {4: (310, 5), 5: (710, 9)}


def test_a_reader_that_breaks_lets_the_next_one_through(tmp_path: Path) -> None:
    def broken() -> None:
        raise RuntimeError("a bug")

    places = Places(0, 7, 1, None)
    prepare_module._share(places)
    with pytest.raises(RuntimeError, match="a bug"):
        prepare_module._placed(tmp_path, (0, broken))
    assert places.take(1, 0, 0) == (7, 1)
