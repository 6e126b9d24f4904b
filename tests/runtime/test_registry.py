"""Tests of what users choose by name."""

from __future__ import annotations

import sys
import threading

import pytest

from cpep.runtime import registry
from cpep.runtime.registry import Registry
from cpep.types import UserError


def test_things_come_in_the_order_of_their_addition():
    fruit: Registry[int] = Registry("fruit")
    fruit.add("pear", 1)
    fruit.add("apple", 2)
    assert fruit.names() == ("pear", "apple")
    assert list(fruit) == [1, 2]
    assert fruit.get("apple") == 2
    assert "pear" in fruit and "plum" not in fruit


def test_the_nearest_name_is_named():
    fruit: Registry[int] = Registry("fruit")
    with pytest.raises(UserError, match=r"^no fruit 'pear'$"):
        fruit.get("pear")
    fruit.add("pear", 1)
    fruit.add("apple", 2)
    with pytest.raises(UserError, match=r"no fruit 'aple'; did you mean apple\? There are pear, apple"):
        fruit.get("aple")


def test_a_name_is_given_once():
    fruit: Registry[int] = Registry("fruit")
    fruit.add("pear", 1)
    with pytest.raises(ValueError, match="a fruit called 'pear' already"):
        fruit.add("pear", 2)


def test_modules_and_plugins_are_imported_when_the_registry_is_read(tmp_path, monkeypatch):
    (tmp_path / "own_fruit.py").write_text("import shop_of_fruit\nshop_of_fruit.SHOP.add('plum', 2)\n")
    (tmp_path / "shop_of_fruit.py").write_text(
        "from cpep.runtime.registry import Registry\nSHOP = Registry('fruit', ['fruit_of_house'])\n"
    )
    (tmp_path / "fruit_of_house.py").write_text("import shop_of_fruit\nshop_of_fruit.SHOP.add('pear', 1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CPEP_PLUGINS", "own_fruit")
    registry.load_plugins.cache_clear()
    import shop_of_fruit

    assert "own_fruit" not in sys.modules
    assert shop_of_fruit.SHOP.names() == ("pear", "plum")
    registry.load_plugins.cache_clear()


def test_a_plugin_that_is_not_there_is_a_sentence(monkeypatch):
    monkeypatch.setenv("CPEP_PLUGINS", "not_a_module")
    registry.load_plugins.cache_clear()
    with pytest.raises(UserError, match="CPEP_PLUGINS names the module not_a_module, which cannot be imported"):
        Registry("fruit").names()
    registry.load_plugins.cache_clear()


def test_a_thread_that_reads_while_another_loads_finds_all(tmp_path, monkeypatch):
    (tmp_path / "slow_shop.py").write_text(
        "import threading\nfrom cpep.runtime.registry import Registry\n"
        "SHOP = Registry('fruit', ['slow_fruit'])\nBEGUN, GO = threading.Event(), threading.Event()\n"
    )
    (tmp_path / "slow_fruit.py").write_text(
        "import slow_shop\nslow_shop.BEGUN.set()\nslow_shop.GO.wait(10)\nslow_shop.SHOP.add('pear', 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import slow_shop

    found = []
    readers = [threading.Thread(target=lambda: found.append(slow_shop.SHOP.names())) for _ in range(2)]
    readers[0].start()
    assert slow_shop.BEGUN.wait(10)
    readers[1].start()
    readers[1].join(0.1)
    slow_shop.GO.set()
    for reader in readers:
        reader.join()
    assert found == [("pear",)] * 2


def test_the_order_does_not_depend_on_which_module_was_imported_first(tmp_path, monkeypatch):
    (tmp_path / "shop_of_nuts.py").write_text(
        "from cpep.runtime.registry import Registry\nSHOP = Registry('nut', ['nuts_one', 'nuts_two'])\n"
    )
    (tmp_path / "nuts_one.py").write_text("import shop_of_nuts\nshop_of_nuts.SHOP.add('hazel', 1)\n")
    (tmp_path / "nuts_two.py").write_text(
        "import shop_of_nuts\ndef add(name):\n    shop_of_nuts.SHOP.add(name, 2)\nadd('walnut')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import shop_of_nuts

    shop_of_nuts.SHOP.add("own", 3)
    import nuts_two  # noqa: F401

    assert shop_of_nuts.SHOP.names() == ("hazel", "walnut", "own")
