"""From EMG in chunks of any size to embeddings on a regular grid, the same as an evaluation computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from cpep.checkpoints.checkpoint import Model
from cpep.data.statistics import CentreSpread, Running
from cpep.data.store.frames import POWER_BLOCK_S, block_end
from cpep.live.runs import ENERGY_S, HOP_S, Runs
from cpep.live.signals import StreamStep
from cpep.models.lean import lean
from cpep.signal.conditioning import Conditioning
from cpep.types import FloatArray, UserError

MOST = 64
"""Windows of one chunk that are embedded at once; a live chunk completes one at most."""


def on_one_core() -> None:
    """Let this process compute on one core, where one window is embedded fastest; the others stay free."""
    torch.set_num_threads(1)
    threadpool_limits(1, "blas")  # NumPy's threads wait for each other for longer than a gallery takes one


class Ring:
    """The last rows of a stream as one contiguous array: every row is held twice, a length apart.

    Args:
        length: rows N that are kept, at least 1.
        columns: of a row.
    """

    def __init__(self, length: int, columns: int) -> None:
        self.length, self.rows = length, 0
        self._twice = np.zeros((2 * length, columns), np.float32)

    def extend(self, rows_KF: FloatArray) -> None:
        """Take in any number of rows; of more than ``length`` the last ones are kept, and all are counted."""
        self.rows += max(len(rows_KF) - self.length, 0)
        rows_KF = rows_KF[-self.length :]
        at, count = self.rows % self.length, len(rows_KF)
        first = min(count, self.length - at)
        self._twice[at : at + first] = self._twice[at + self.length : at + self.length + first] = rows_KF[:first]
        self._twice[: count - first] = self._twice[self.length : self.length + count - first] = rows_KF[first:]
        self.rows += count

    def last(self) -> FloatArray:
        """Return the last N rows (N, F) in time, a view; those before the first one are zero."""
        at = self.rows % self.length
        return self._twice[at : at + self.length]


class EmgStream(Runs):
    """Embeds a stream with a checkpoint's own conditioning and preprocessing.

    How the stream is cut into chunks does not matter. Windows end on a grid that counts from the first sample,
    and each is what ``checkpoints.embed`` makes of the same samples under ``causal`` normalisation. Windows that one
    chunk completes are embedded together, so that a file takes a fraction of the time; their values are the same
    to 1e-6. The weights are those that the model has when the stream is made.

    Args:
        model: a checkpoint that reads EMG.
        hop_s: time from embedding to embedding, rounded to whole bins of the checkpoint.
        standard: centre and spread of this session, from ``Model.calibrate``, which then stay as they are;
            needed by a checkpoint that was trained with the normalisation ``recording``.
        conditioned: whether the EMG is conditioned already, as in a store.

    Raises:
        UserError: a checkpoint that needs a calibration, without one; or one without an EMG encoder.
    """

    def __init__(
        self, model: Model, hop_s: float = HOP_S, standard: CentreSpread | None = None, *, conditioned: bool = False
    ) -> None:
        frontend, device = model.emg_frontend, model.card.device
        if frontend.normalisation == "recording" and standard is None:
            raise UserError(
                "this checkpoint was trained with data.normalisation=recording; it needs minutes of this session "
                "to calibrate; give them, or train with --set data.normalisation=causal"
            )
        filtered = Conditioning() if conditioned else device.conditioning
        super().__init__(filtered, device.emg_rate, device.channels, "this checkpoint")
        self.model = model
        self._embed = _embedder(model)
        self._bin = frontend.bin_samples or 1
        self._hop = max(round(hop_s * self.rate / self._bin), 1)
        frames = round(model.card.window_s * model.card.frame_rate)
        self._ring = Ring(round(frames * self.rate / model.card.frame_rate) // self._bin, frontend.columns)
        self._rest_TC = np.zeros((0, self.channels), np.float32)  # since the last row
        self._recent = max(1, round(ENERGY_S * self.rate / self._bin))
        self._scale = _Scale(model, standard)
        self._solid = 0  # rows since the last loss

    @property
    def hop_samples(self) -> int:
        """Samples from embedding to embedding."""
        return self._hop * self._bin

    @property
    def hop_s(self) -> float:
        """Time from embedding to embedding, seconds."""
        return self.hop_samples / self.rate

    def _forget(self) -> None:
        self._solid, self._rest_TC = 0, self._rest_TC[:0]

    def _add(self, emg_TC: FloatArray, steps: list[StreamStep]) -> None:
        run_TC = np.concatenate([self._rest_TC, emg_TC])
        begun = edge = self.sample - len(self._rest_TC)
        self.sample += len(emg_TC)
        held: list[tuple[int, FloatArray]] = []
        for edge, rows_KF in self._bins(run_TC, begun) if self._bin > 1 else self._parts(run_TC, begun):
            self._ring.extend(rows_KF)
            self._scale.update(rows_KF, edge)
            self._solid += len(rows_KF)
            if self._solid >= self._ring.length and edge % self.hop_samples == 0:
                held.append((edge, self._window()))
            if len(held) == MOST:
                steps += self._embedded(held)
                held = []
        steps += self._embedded(held) if held else []
        self._rest_TC = run_TC[edge - begun :].copy()

    def _bins(self, run_TC: FloatArray, begun: int) -> Iterator[tuple[int, FloatArray]]:
        """Yield the row of each whole bin, and where it ends; a bin that lost its beginning does not count."""
        first, length = -begun % self._bin, MOST * self._bin
        stop = first + (len(run_TC) - first) // self._bin * self._bin
        for at in range(first, stop, length):
            rows_KF = self.model.emg_frontend.rows_of(run_TC[at : min(at + length, stop)])
            for k in range(len(rows_KF)):
                yield begun + at + (k + 1) * self._bin, rows_KF[k : k + 1]

    def _parts(self, run_TC: FloatArray, begun: int) -> Iterator[tuple[int, FloatArray]]:
        """Yield raw samples up to the end of each hop and of each block of levels, and where they end."""
        at, end = begun, begun + len(run_TC)
        while (edge := min((at // self._hop + 1) * self._hop, self._scale.next_block(at))) <= end:
            yield edge, run_TC[at - begun : edge - begun]
            at = edge

    def _window(self) -> FloatArray:
        """Return the window (N, F) that ends now, standardised as things stand now."""
        now = self._scale.now()
        return np.asarray((self._ring.last() - now.centre_F) / now.spread_F)

    def _embedded(self, held: list[tuple[int, FloatArray]]) -> list[StreamStep]:
        """Return the steps of windows, given where each ends."""
        x_BD = self._embed(np.stack([window_NF for _, window_NF in held]))
        return [
            StreamStep(edge, edge / self.rate, x_D, self._energy(window_NF))
            for (edge, window_NF), x_D in zip(held, x_BD, strict=True)
        ]

    def _energy(self, window_NF: FloatArray) -> float:
        recent = window_NF[-self._recent :, : self.channels]
        if self._bin == 1:
            recent = np.log(np.maximum(np.square(recent).mean(axis=0), 1e-12)) / 2
        return float(recent.mean())


def _embedder(model: Model) -> Callable[[FloatArray], FloatArray]:
    """Return what embeds standardised windows (B, N, F): without torch where the network is of a usual kind."""
    found = lean(model.net) if model.device.type == "cpu" else None
    if found is not None:
        return found

    @torch.inference_mode()
    def embed(signal_BNF: FloatArray) -> FloatArray:
        return model.embed_signal(torch.from_numpy(signal_BNF).to(model.device)).cpu().numpy()

    return embed


class _Scale:
    """Centre and spread at this moment: running ones of bins or of blocks of samples, or fixed ones."""

    def __init__(self, model: Model, fixed: CentreSpread | None) -> None:
        frontend = model.emg_frontend
        self._fixed = fixed or (frontend.typical() if frontend.normalisation == "none" else None)
        self._running = Running(frontend.statistic, frontend.typical(), frontend.row_s)
        self._bins, self._block = bool(frontend.bin_samples), frontend.rate * POWER_BLOCK_S
        self._sum_C, self._samples = np.zeros(model.card.device.channels), 0

    def next_block(self, sample: int) -> int:
        """Return the sample where the block of levels ends that the next sample belongs to."""
        return block_end(sample, self._block)

    def update(self, rows_KF: FloatArray, sample: int) -> None:
        """Take in the rows that end at that sample of the stream."""
        if self._fixed is not None:
            return
        if self._bins:
            self._running.update(rows_KF[0])
            return
        self._sum_C += np.square(rows_KF, dtype=np.float64).sum(axis=0)
        self._samples += len(rows_KF)
        if self.next_block(sample - 1) == sample:
            self._running.update((self._sum_C / self._samples).astype(np.float32))
            self._sum_C[:], self._samples = 0, 0

    def now(self) -> CentreSpread:
        """Return centre and spread (F,)."""
        return self._running.now() if self._fixed is None else self._fixed
