"""What the GPUs of a machine do with cpep's training: run it and send what it prints.

    python -m benchmarks.gpu                             all GPUs of this machine; 2 minutes
    python -m benchmarks.gpu --compile                   torch.compile beside it; some minutes more
    python -m benchmarks.gpu --device cpu                tiny, without a GPU, to see that it runs

Steps are whole (forward, backward, clipping, AdamW), at the sizes of the paper preset. Reading goes from a file of
float32 windows to the device. With several GPUs, a second part starts a rank on each, and times NCCL.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cpep.config.presets import preset
from cpep.config.schema import OptimConfig, RunConfig
from cpep.experiments.dry_run import GPUS
from cpep.models.cpep import Cpep
from cpep.models.encoders.patches import PatchEncoder
from cpep.models.losses import info_nce
from cpep.models.mae import MaskedAutoencoder
from cpep.runtime import distributed
from cpep.runtime.files import write_json
from cpep.train.flops import step_gflop
from cpep.train.loop import optimiser_of, train_step
from cpep.train.pretrain import masked_loss
from cpep.train.task import autocast

CHANNELS, JOINTS, RATE, FRAME_RATE, SECONDS = 16, 20, 2000, 100, 2
OPTIM = OptimConfig(lr=1e-4)


@dataclass(frozen=True)
class Sizes:
    """How large everything is.

    Attributes:
        batch: windows of a step.
        width: of the encoders.
        depth: of the encoders.
        heads: of their attention.
        steps: that are timed.
        warm: steps before them, which do not count.
        square: rows of the matrix product that is called the peak.
        windows: in the file that is read.
    """

    batch: int = 256
    width: int = 256
    depth: int = 4
    heads: int = 8
    steps: int = 50
    warm: int = 3
    square: int = 8192
    windows: int = 8192


TINY = Sizes(batch=4, width=32, depth=1, heads=2, steps=1, warm=1, square=256, windows=16)


class Bench:
    """Measures on one device; every method returns figures by name."""

    def __init__(self, kind: str, sizes: Sizes) -> None:
        self.device, self.sizes, self.gpu = torch.device(kind), sizes, kind == "cuda"

    def run(self, compiled: bool) -> dict[str, Any]:
        """Return everything that one device tells."""
        found: dict[str, Any] = {"device": self.name, "torch": torch.__version__, "machine": platform.platform()}
        for precision in ("auto", "fp32"):
            config = preset("paper", [f"device={self.device.type}", f"precision={precision}"])
            found[precision] = self.training(config, compiled)
        return found | {"reading": self.reading()}

    @property
    def name(self) -> str:
        """Name of the device."""
        return torch.cuda.get_device_name() if self.gpu else platform.processor() or platform.machine()

    def seconds(self, call: Callable[[], object], times: int) -> float:
        """Return the seconds of a call, mean over some, after others that do not count."""
        for _ in range(self.sizes.warm):
            call()
        self.wait()
        begun = time.perf_counter()
        for _ in range(times):
            call()
        self.wait()
        return (time.perf_counter() - begun) / times

    def wait(self) -> None:
        """Wait until the device has done what was asked of it."""
        if self.gpu:
            torch.cuda.synchronize()

    def training(self, config: RunConfig, compiled: bool) -> dict[str, Any]:
        """Return steps/s, use of the peak and memory of an EMG-MAE step and of an alignment step."""
        with autocast(config) as context:
            fast = context.fast_dtype if context._enabled else torch.float32
        peak = self.peak(fast)
        found: dict[str, Any] = {"format": str(fast).removeprefix("torch."), "product TF/s": peak / 1e12}
        sheet = next((one for one in GPUS if self.gpu and one.name in self.name and one.format in str(fast)), None)
        for name, (net, loss, gflop) in {"emg_mae": self.masked(), "cpep": self.pair()}.items():
            if self.gpu:
                torch.cuda.reset_peak_memory_stats()
            took = self.seconds(self.step(net, loss, config), self.sizes.steps)
            rate = gflop * 1e9 / took
            found[name] = {"steps/s": 1 / took, "windows/s": self.sizes.batch / took, "TF/s": rate / 1e12}
            found[name]["MFU beside product"] = rate / peak
            if sheet:
                found[name]["MFU beside data sheet"] = rate / sheet.peak
            if self.gpu:
                found[name]["memory GB"] = torch.cuda.max_memory_allocated() / 1e9
            if compiled:
                quick = self.step(net, torch.compile(loss), config)
                found[name]["steps/s compiled"] = 1 / self.seconds(quick, self.sizes.steps)
        return found

    def step(self, net: nn.Module, loss: Callable[[], torch.Tensor], config: RunConfig) -> Callable[[], float]:
        """Return a step of the project's own loop."""
        optimiser, together = optimiser_of(net, OPTIM), distributed.Steps()

        def loss_at(step: int) -> torch.Tensor:
            with autocast(config):
                return loss()

        return lambda: train_step(net, loss_at, optimiser, OPTIM, 0, 0, OPTIM.lr, together)

    def encoder(self, columns: int, steps: int, patch: int) -> PatchEncoder:
        """Return an encoder on this device."""
        sizes = {"width": self.sizes.width, "depth": self.sizes.depth, "heads": self.sizes.heads}
        made = PatchEncoder(columns=columns, steps=steps, token_steps=patch, dropout=0.0, **sizes)
        return made.to(self.device)

    def masked(self) -> tuple[nn.Module, Callable[[], torch.Tensor], float]:
        """Return an EMG masked autoencoder of raw patches, its loss, and the GFLOP of its step."""
        batch, steps = self.sizes.batch, RATE * SECONDS
        counted = MaskedAutoencoder(self.encoder(CHANNELS, steps, 40).cpu(), 0.5, 1, self.sizes.heads)
        gflop = step_gflop(masked_loss(counted), batch)
        net = MaskedAutoencoder(self.encoder(CHANNELS, steps, 40), 0.5, 1, self.sizes.heads).to(self.device)
        signal_BTC = torch.randn(batch, steps, CHANNELS, device=self.device)
        return net, lambda: net(signal_BTC), gflop

    def pair(self) -> tuple[nn.Module, Callable[[], torch.Tensor], float]:
        """Return both encoders, the contrast with cached poses, and the GFLOP of its step."""
        batch, steps = self.sizes.batch, RATE * SECONDS
        net = Cpep(self.encoder(CHANNELS, steps, 40), self.encoder(JOINTS, FRAME_RATE * SECONDS, 5), 0.02, 0.01, 1.0)
        net = net.to(self.device)
        signal_BTC = torch.randn(batch, steps, CHANNELS, device=self.device)
        with torch.no_grad():
            pose = torch.randn(batch, FRAME_RATE * SECONDS, JOINTS, device=self.device)
            pose_BD = net.embed_anchor(pose).float()

        def loss_of(windows: int) -> torch.Tensor:
            return info_nce(net.embed_emg(signal_BTC[:windows]), pose_BD[:windows], net.temperature)

        gflop = step_gflop(loss_of, batch)
        return net, lambda: loss_of(batch), gflop

    def peak(self, kind: torch.dtype) -> float:
        """Return the operations a second of a large matrix product."""
        rows = self.sizes.square
        a, b = (torch.randn(rows, rows, device=self.device).to(kind) for _ in range(2))
        return 2 * rows**3 / self.seconds(lambda: a @ b, 10)

    def reading(self) -> dict[str, float]:
        """Return GB/s and windows/s from a mapped file to the device, and of the copy to the device alone."""
        shape = (self.sizes.windows, RATE * SECONDS, CHANNELS)
        rng, batch = np.random.default_rng(0), self.sizes.batch
        with tempfile.TemporaryDirectory() as folder:
            file = np.lib.format.open_memmap(Path(folder) / "x.npy", "w+", np.float32, shape)
            for start in range(0, len(file), batch):
                part = file[start : start + batch]
                part[:] = rng.standard_normal(part.shape, dtype=np.float32)
            whole, held = torch.from_numpy(file), torch.empty(batch, *shape[1:], pin_memory=self.gpu)

            def read() -> torch.Tensor:
                chosen = torch.from_numpy(rng.integers(len(whole), size=batch))
                torch.index_select(whole, 0, chosen, out=held)
                return held.to(self.device, non_blocking=True)

            both = self.seconds(lambda: (read(), self.wait()), 10)
            copy = self.seconds(lambda: held.to(self.device, non_blocking=True).add_(0), 10)
        size = held.numel() * 4 / 1e9
        return {"GB/s": size / both, "windows/s": batch / both, "copy to the device GB/s": size / copy}


def over_ranks(kind: str, sizes: Sizes, out: Path) -> None:
    """Be one of some ranks: time a step on each, and what they send; the first writes it."""
    distributed.join()
    bench = Bench(kind, sizes)
    config = preset("paper", [f"device={kind}"])
    net, loss, _ = bench.masked()
    sent = torch.zeros(sum(p.numel() for p in net.parameters()), device=bench.device)
    took = bench.seconds(bench.step(net, loss, config), sizes.steps)
    summed = bench.seconds(lambda: torch.distributed.all_reduce(sent), 20)
    ranks = distributed.world_size()
    moved = 2 * (ranks - 1) / ranks * sent.numel() * 4 / 1e9  # GB that each rank sends in a ring
    if distributed.is_main_rank():
        of_all = {"ranks": ranks, "windows/s": ranks * sizes.batch / took, "all_reduce ms": 1e3 * summed}
        write_json(out, of_all | {"all_reduce GB/s": moved / summed, "backend": "nccl" if bench.gpu else "gloo"})
    distributed.leave()


def start_ranks(kind: str, ranks: int, tiny: bool) -> dict[str, Any]:
    """Return what ranks on this machine measure, one on each GPU."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "ranks.json"
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
        call = [*launch, "-m", "benchmarks.gpu", "--device", kind, "--as-rank", str(out), *["--tiny"] * tiny]
        subprocess.run(call, check=True, env={"OMP_NUM_THREADS": "1", **os.environ})
        found: dict[str, Any] = json.loads(out.read_text())
        return found


def main(given: list[str] | None = None) -> None:
    """Parse, measure, print and write gpu.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too")
    parser.add_argument("--ranks", type=int, help="processes of the second part; one a GPU unless given")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--as-rank", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(given)
    tiny = asked.tiny or asked.device == "cpu"
    sizes = TINY if tiny else Sizes()
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit(f"torch {torch.__version__} finds no GPU here; --device cpu runs a tiny version without one")
    if asked.as_rank:
        return over_ranks(asked.device, sizes, asked.as_rank)
    found = Bench(asked.device, sizes).run(asked.compile)
    ranks = asked.ranks or (torch.cuda.device_count() if asked.device == "cuda" else 1)
    if ranks > 1:
        found["over ranks"] = start_ranks(asked.device, ranks, tiny)
    write_json(asked.out, found)
    print(json.dumps(found, indent=1, default=str))
    print(f"send {asked.out}" if asked.device == "cuda" else "tiny: these figures say nothing of a machine")


if __name__ == "__main__":
    main()
