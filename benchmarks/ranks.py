"""Windows/s of an EMG-MAE step (small preset, batch 256) over two ranks against one, each on one thread.

The fastest step counts: two ranks wait for each other, so that other work on either core slows both down.

As a script, ``torchrun --nproc-per-node N -m benchmarks.ranks FILE``: trains some steps as one of N ranks; the first
one writes what its fastest step took, s.
"""

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.measure import Figure

BATCH, STEPS, WARM, ROUNDS = 256, 24, 4, 2
CHANNELS, BINS, TOKEN_BINS, STATISTICS = 16, 40, 4, 3


def step_s(ranks: int) -> float:
    """Return what the fastest step takes in a run of that many ranks, s."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "seconds"
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
        call = [*launch, "-m", "benchmarks.ranks", str(out)]
        subprocess.run(call, check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
        return float(out.read_text())


def figures() -> list[Figure]:
    pairs = [(step_s(2), step_s(1)) for _ in range(ROUNDS)]
    two, one = (BATCH / min(seconds) for seconds in zip(*pairs, strict=True))
    return [Figure("EMG-MAE over two ranks, windows/s", two, one, two / one, wanted=1.6, bound=1.2)]


def main(out: Path) -> None:
    """Train some steps as one of the ranks that there are, and note the time of the fastest."""
    import torch

    from cpep.config.presets import preset
    from cpep.config.schema import OptimConfig
    from cpep.data.augment import Augmentation
    from cpep.models.encoders.patches import PatchEncoder
    from cpep.runtime import distributed
    from cpep.train.loop import fit
    from cpep.train.pretrain import autoencoder
    from cpep.train.rng import part_draws
    from cpep.train.task import autocast

    distributed.join()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = preset("small")
    columns, sizes = STATISTICS * CHANNELS, config.emg
    encoder = PatchEncoder(
        columns=columns,
        steps=BINS,
        token_steps=TOKEN_BINS,
        width=sizes.width,
        depth=sizes.depth,
        heads=sizes.heads,
        dropout=sizes.dropout,
    )
    mae = autoencoder(encoder, config.emg, config.emg_mae)
    augment = Augmentation(0.15, 0.15, 0.05, 10.0, 0.1, tuple(range(CHANNELS)), raw=False, channels=CHANNELS)
    signal_BNF = torch.randn(BATCH, BINS, columns)
    begun = []

    def loss_at(step: int) -> torch.Tensor:
        begun.append(time.perf_counter())
        part = distributed.part(BATCH)
        signal = augment(signal_BNF[part.rows], part)
        generator = part_draws(part, encoder.tokens)
        with autocast(config):
            loss = mae(signal, generator)
        return part.weighed(loss)

    optim = OptimConfig(steps=STEPS, batch=BATCH, checks=1)
    fit(mae, loss_at, lambda: 1.0, optim, seed=0, state=out.with_suffix(".state"), key="")
    if distributed.is_main_rank():
        out.write_text(str(min(after - before for before, after in pairwise(begun[WARM:]))))
    distributed.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
