"""Looks at a table or at arrays, guesses what is in them, shows why, and writes the sidecar to be corrected.

    >>> from cpep.data.describe import describe  # doctest: +SKIP
    >>> print(describe([Path("S1.csv")]).text)  # doctest: +SKIP

``look`` reads, ``clock``, ``labels`` and ``signals`` guess, ``presets`` knows the exports of devices, ``draft`` puts
it together, ``command`` writes and tries it. A guess that has no evidence is left empty in the sidecar, which the
reader refuses in a sentence.
"""

from cpep.data.describe.command import Description, describe, known

__all__ = ["Description", "describe", "known"]
