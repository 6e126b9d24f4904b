from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.register_profile("random")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
"""The suite tries the same examples every time; with HYPOTHESIS_PROFILE=random it looks for new ones."""

LONGEST = (
    "seams/test_stages",
    "export/test_graph",
    "live/test_zero_shot",
    "seams/test_anchor",
    "simulate/test_check",
    "train/test_over_ranks",
    "export/test_export_folder",
    "seams/test_protocol",
    "seams/test_readers",
)
"""Files whose tests take longest. They come first, so that none of them is left when all others are done."""

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of the longest files to the front."""
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONGEST))


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Return a function from the name of a data set to its folder; skips where it is absent."""

    def find(name: str) -> Path:
        folder = SHARED_DATA / name
        if not folder.is_dir():
            pytest.skip(f"the real recordings {name} are not in {SHARED_DATA}")
        return folder

    return find
