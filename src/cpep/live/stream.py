"""From EMG in chunks of any size to embeddings on a regular grid, the same as an evaluation computes."""

from __future__ import annotations

import numpy as np
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.data.frontend import standardised
from cpep.data.statistics import CentreSpread, Running
from cpep.data.store.frames import POWER_BLOCK_S, block_end
from cpep.live.runs import ENERGY_S, HOP_S, Runs
from cpep.live.signals import StreamStep
from cpep.signal.conditioning import Conditioning
from cpep.types import FloatArray, UserError


def on_one_core() -> None:
    """Let this process compute on one core, where one window is embedded fastest; the others stay free."""
    torch.set_num_threads(1)


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
    and each is what ``checkpoints.embed`` makes of the same samples under ``causal`` normalisation. Arrays are
    allocated once; what the network needs comes and goes with each embedding.

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
        self._bin = frontend.bin_samples or 1
        self._hop = max(round(hop_s * self.rate / self._bin), 1)
        frames = round(model.card.window_s * model.card.frame_rate)
        rows = round(frames * self.rate / model.card.frame_rate) // self._bin
        self._ring = Ring(rows, frontend.columns)
        self._part_TC = np.zeros((max(self._bin, self._hop), self.channels), np.float32)
        self._filled = 0
        self._signal = torch.zeros(1, rows, frontend.columns)
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
        self._solid = self._filled = 0

    def _add(self, emg_TC: FloatArray, steps: list[StreamStep]) -> None:
        at = 0
        while at < len(emg_TC):
            edge = self._next_edge()
            part_TC = emg_TC[at : at + edge - self.sample]
            self._part_TC[self._filled : self._filled + len(part_TC)] = part_TC
            self._filled += len(part_TC)
            self.sample += len(part_TC)
            at += len(part_TC)
            if self.sample == edge and self._complete():
                steps.append(self._embed())

    def _next_edge(self) -> int:
        """Return the sample at which the next bin ends; for raw samples, the next hop or block of levels."""
        if self._bin > 1:
            return (self.sample // self._bin + 1) * self._bin
        return min((self.sample // self._hop + 1) * self._hop, self._scale.next_block(self.sample))

    def _complete(self) -> bool:
        """Take in the bin, or the samples, that end now; tell whether a window ends with them."""
        if self._filled >= self._bin:  # a bin that lost its beginning does not count
            rows_KF = self.model.emg_frontend.rows(torch.from_numpy(self._part_TC[: self._filled])).numpy()
            self._ring.extend(rows_KF)
            self._scale.update(rows_KF, self.sample)
            self._solid += len(rows_KF)
        self._filled = 0
        return self._solid >= self._ring.length and self.sample % self.hop_samples == 0

    @torch.inference_mode()
    def _embed(self) -> StreamStep:
        rows_NF = torch.from_numpy(self._ring.last())
        self._signal[0] = standardised(rows_NF, self._scale.now())
        x_D = self.model.embed_signal(self._signal.to(self.model.device))[0].cpu().numpy()
        return StreamStep(self.sample, self.sample / self.rate, x_D, self._energy())

    def _energy(self) -> float:
        recent = self._signal[0, -self._recent :, : self.channels]
        if self._bin == 1:
            recent = recent.square().mean(dim=0).clamp_min(1e-12).log() / 2
        return float(recent.mean())


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
