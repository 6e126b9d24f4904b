"""Windows/s of an EMG-MAE step (small preset, batch 256) over two ranks against one, each on one thread.

The fastest step counts: two ranks wait for each other, so that other work on either core slows both down. Beside it
are two processes that do half a batch each at the same time and exchange nothing: what two cores with one memory, and
the part of a step that does not shrink with its batch, allow. All three are measured in turn. The processor time of a
step does not count waiting, neither for other programs nor for the other rank: on idle cores two ranks reach at most
its ratio.

As a script, ``torchrun --nproc-per-node N -m benchmarks.ranks FOLDER``: trains some steps as one of N ranks; each
writes what its fastest step took by the clock, and the least processor time of a step, s. With ``FOLDER I N`` and
without torchrun: the same as one of N processes that do the same share each, and do not talk.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.measure import Figure

BATCH, STEPS, WARM, ROUNDS = 256, 24, 4, 3
CHANNELS, BINS, TOKEN_BINS, STATISTICS = 16, 40, 4, 3
Times = tuple[float, float]
"""By the clock, and of one processor, s."""


def step_s(ranks: int) -> Times:
    """Return what the fastest step takes in a run of that many ranks."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    return slowest([launch], [()])


def halves_s() -> Times:
    """Return what the fastest step takes of two processes that do half a batch each at the same time."""
    return slowest([[], []], [("0", "2"), ("1", "2")])


def slowest(launches: list[list[str]], arguments: list[tuple[str, ...]]) -> Times:
    """Start commands at the same time, and return the longest of the times that their processes write."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        calls = [
            [sys.executable, *launch, "-m", "benchmarks.ranks", folder, *more]
            for launch, more in zip(launches, arguments, strict=True)
        ]
        running = [subprocess.Popen(call, env=env) for call in calls]
        for process, call in zip(running, calls, strict=True):
            if process.wait():
                raise subprocess.CalledProcessError(process.returncode, call)
        found = [json.loads(path.read_text()) for path in Path(folder).glob("*.seconds")]
        clock_s, processor_s = (max(times) for times in zip(*found, strict=True))
        return clock_s, processor_s


def figures() -> list[Figure]:
    rounds = [(step_s(2), step_s(1), halves_s()) for _ in range(ROUNDS)]
    (two, two_used), (one, one_used), (halves, halves_used) = (
        [BATCH / min(seconds) for seconds in zip(*times, strict=True)] for times in zip(*rounds, strict=True)
    )
    used, halved = two_used / one_used, halves_used / one_used
    return [
        Figure("EMG-MAE over two ranks, windows/s", two, one, two / one, wanted=1.7, bound=1.2),
        Figure("the same, beside two halves that do not talk", two, halves, two / halves, wanted=0.95, bound=0.75),
        Figure("the same in processor time, without waiting", two_used, one_used, used, wanted=1.7, bound=1.4),
        Figure(
            "two halves that do not talk, in processor time", halves_used, one_used, halved, wanted=1.7, bound=1.4
        ),
    ]


def main(folder: Path, own: int, processes: int) -> None:
    """Train some steps as one of the ranks that there are, or as one of some processes; note the fastest's time."""
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
    begun: list[Times] = []

    def loss_at(step: int) -> torch.Tensor:
        begun.append((time.perf_counter(), time.process_time()))
        part = distributed.part(BATCH) if processes == 1 else distributed.Part(0, BATCH // processes, BATCH)
        signal = augment(signal_BNF[part.rows], part)
        generator = part_draws(part, encoder.tokens)
        with autocast(config):
            loss = mae(signal, generator)
        return part.weighed(loss)

    optim = OptimConfig(steps=STEPS, batch=BATCH, checks=1)
    name = f"{own}-{os.environ.get('RANK', 0)}"
    meet(folder, own, processes)
    fit(mae, loss_at, lambda: 1.0, optim, seed=0, state=folder / name / "state", key="")
    times = [min(after - before for before, after in pairwise(clock)) for clock in zip(*begun[WARM:], strict=True)]
    (folder / f"{name}.seconds").write_text(json.dumps(times))
    distributed.leave()


def meet(folder: Path, own: int, processes: int) -> None:
    """Wait until all processes are there."""
    (folder / f"{own}.here").touch()
    while len(list(folder.glob("*.here"))) < processes:
        time.sleep(0.01)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(word) for word in sys.argv[2:] or ("0", "1")))
