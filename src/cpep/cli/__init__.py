"""The ``cpep`` command."""
