"""Protocols of evaluation: from embeddings of windows, with people and sessions, to answers for test people."""

from importlib import import_module

BUILT_IN = ("linear_probe", "zero_shot", "few_shot", "cross_session")
"""Modules of this package that add protocols, in the order of the columns of tables; other protocols come after."""

for _name in BUILT_IN:  # here, so that the order is the same whichever module is imported first
    import_module(f"{__name__}.{_name}")
