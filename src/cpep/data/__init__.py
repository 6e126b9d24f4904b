"""Recordings in, windows out.

A folder of recordings becomes a store (``prepare``), and so do arrays (``from_arrays``). A store is opened
(``open_store``), people and gestures are held out (``make_splits``), and windows are listed (``list_windows``), or
given to PyTorch (``WindowDataset``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpep.runtime.lazy import exported

if TYPE_CHECKING:
    from cpep.data.anchor import Anchor as Anchor
    from cpep.data.arrays import from_arrays as from_arrays
    from cpep.data.dataset import WindowDataset as WindowDataset
    from cpep.data.inspect import Inspection as Inspection
    from cpep.data.inspect import inspect_folder as inspect_folder
    from cpep.data.readers.folder import find_recordings as find_recordings
    from cpep.data.recording import Device as Device
    from cpep.data.recording import Recording as Recording
    from cpep.data.recording import Repair as Repair
    from cpep.data.splits import Split as Split
    from cpep.data.splits import make_splits as make_splits
    from cpep.data.statistics import CentreSpread as CentreSpread
    from cpep.data.store.prepare import prepare as prepare
    from cpep.data.store.store import Store as Store
    from cpep.data.store.store import open_store as open_store
    from cpep.data.windows import Windows as Windows
    from cpep.data.windows import list_windows as list_windows
else:
    __all__, __getattr__, __dir__ = exported(
        __name__,
        {
            "cpep.data.anchor": "Anchor",
            "cpep.data.arrays": "from_arrays",
            "cpep.data.dataset": "WindowDataset",
            "cpep.data.inspect": "Inspection inspect_folder",
            "cpep.data.readers.folder": "find_recordings",
            "cpep.data.recording": "Device Recording Repair",
            "cpep.data.splits": "Split make_splits",
            "cpep.data.statistics": "CentreSpread",
            "cpep.data.store.prepare": "prepare",
            "cpep.data.store.store": "Store open_store",
            "cpep.data.windows": "Windows list_windows",
        },
    )
