"""``python -m cpep``: the same as ``cpep``, for ``torchrun -m cpep``."""

from cpep.cli.start import run

if __name__ == "__main__":
    run()
