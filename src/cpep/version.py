"""The version of cpep, which checkpoints, reports and the package itself name."""

from __future__ import annotations

__version__ = "0.2.0"
"""The version of the cpep that is installed."""


def version_text() -> str:
    """Return the versions of cpep, torch and Python in a line, without an import of torch."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "not installed"
    return f"cpep {__version__}, torch {torch}, Python {platform.python_version()}"
