"""cpep: Contrastive Pose-EMG Pre-training.

    >>> import cpep  # doctest: +SKIP
    >>> model = cpep.load()  # the model that comes with cpep  # doctest: +SKIP

What is public is listed in ``__all__`` of the modules in ``PUBLIC``. It changes by the rules of semantic versions
(CONTRIBUTING.md). Any other name, and any other module, may change in any release. ``tests/api/public.txt`` holds the
public names with their signatures.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cpep.runtime.lazy import exported
from cpep.version import __version__ as __version__

PUBLIC = (
    "cpep",
    "cpep.data",
    "cpep.evaluate",
    "cpep.hand",
    "cpep.live",
    "cpep.plugins",
    "cpep.simulate",
    "cpep.sklearn",
)
"""The public modules."""

if TYPE_CHECKING:
    from cpep.checkpoints.checkpoint import Model as Model
    from cpep.experiments.black_box import score_poses as score_poses
    from cpep.experiments.finetune import finetune as finetune
    from cpep.report.frame import results as results
    from cpep.types import UserError as UserError
else:
    __all__, __getattr__, __dir__ = exported(
        __name__,
        {
            "cpep.checkpoints.checkpoint": "Model",
            "cpep.experiments.black_box": "score_poses",
            "cpep.experiments.finetune": "finetune",
            "cpep.report.frame": "results",
            "cpep.types": "UserError",
        },
        modules=PUBLIC[1:],
        here=["PUBLIC", "__version__", "load"],
    )


def load(path: str | Path | None = None, *, revision: str | None = None) -> Model:
    """Open a checkpoint, in evaluation mode.

    Args:
        path: its folder, the folder of ``cpep train`` that holds it, or ``hf://organisation/name``. Without it, the
            model that comes with cpep: trained on simulated people, for a band of 16 channels at 2000 Hz.
        revision: branch, tag or commit of the repository on the hub; so does ``hf://organisation/name@revision``.

    Raises:
        UserError: there is no checkpoint, it has another format, or files are damaged; the hub does not have it.
    """
    from cpep.runtime.jobs import wait_asleep

    wait_asleep()
    # torch takes a second to import, which `cpep --help` need not wait for
    from cpep.checkpoints.checkpoint import load as load_checkpoint
    from cpep.live.demo import demo_paths

    return load_checkpoint(demo_paths()[0] if path is None else path, revision=revision)
