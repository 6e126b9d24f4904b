"""``python -m cpep``: the same as ``cpep``, for ``torchrun -m cpep``."""

from cpep.cli.main import run

if __name__ == "__main__":
    run()
