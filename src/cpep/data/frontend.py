"""From EMG as the device delivers it to what an encoder takes, the same in training, evaluation and live use."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from cpep.data.normalise import Normaliser, Rows, power_rows, typical
from cpep.data.statistics import CentreSpread, LoudLevel, MeanSd, Statistic
from cpep.data.store.bins import STATISTICS, bin_statistics, bins_of, statistics_of
from cpep.data.store.frames import POWER_BLOCK_S, block_power
from cpep.data.store.store import Store
from cpep.data.windows import SampleReader, WindowReader, Windows
from cpep.types import EmgKind, FloatArray, Normalisation

LOG_FLOOR = {"raw": 0.1, "envelope": 1.0}
"""Added to the RMS of a bin before the logarithm, in units of the training users' level of the channel.

Values well below it (sensor noise) are flattened. The floor of an envelope is so high that the logarithm is nearly
linear, because the level at rest of NinaPro's envelopes differs between people (LOG.md).
"""


class Frontend(nn.Module):
    """Turns EMG into the signal of an encoder: raw samples, or energies of bins, normalised.

    Raw samples are divided by their level. Energies are the log RMS of each bin, with the rates of zero crossings and
    slope sign changes beside them where ``rates`` is set; centre and spread are mean and SD of bins. ``Normaliser``
    says from which part of the EMG these come. The values fitted on training users are saved with the weights.

    Args:
        channels: EMG channels C.
        rate: EMG samples per second.
        emg_kind: ``raw`` or ``envelope``.
        bin_samples: samples of a bin; 0 for raw samples.
        rates: whether the two rates of each bin follow its energy.
        normalisation: whose centre and spread: ``recording``, ``causal`` or ``none``.
    """

    level_C: Tensor
    centre_F: Tensor
    spread_F: Tensor

    def __init__(
        self,
        channels: int,
        rate: float,
        emg_kind: EmgKind,
        bin_samples: int,
        rates: bool,
        normalisation: Normalisation,
    ) -> None:
        super().__init__()
        self.rate, self.bin_samples, self.rates = rate, bin_samples, rates
        self.normalisation: Normalisation = normalisation
        self.floor = LOG_FLOOR[emg_kind]
        columns = channels * (STATISTICS if rates else 1)
        self.register_buffer("level_C", torch.ones(channels))
        self.register_buffer("centre_F", torch.zeros(columns))
        self.register_buffer("spread_F", torch.ones(columns))

    @property
    def columns(self) -> int:
        """Columns F of the signal: C, or 3 C with rates."""
        return len(self.centre_F)

    @property
    def statistic(self) -> Statistic:
        """Statistic that the signal is normalised by: of bins, or of the power of blocks of samples."""
        return MeanSd() if self.bin_samples else LoudLevel()

    @property
    def row_s(self) -> float:
        """Time from bin to bin, or from block to block, seconds."""
        return self.bin_samples / self.rate if self.bin_samples else POWER_BLOCK_S

    def fit(self, store: Store, users: tuple[str, ...]) -> None:
        """Keep the typical level, centre and spread of training users; no label is read."""
        self.level_C.copy_(torch.from_numpy(typical(power_rows(store), users).spread_F))
        if self.bin_samples:
            prior = typical(self._rows_of(store), users)
            self.centre_F.copy_(torch.from_numpy(prior.centre_F))
            self.spread_F.copy_(torch.from_numpy(prior.spread_F))

    def rescaled(self, factor: float) -> Frontend:
        """Return the front end for EMG of another unit, in which all values are ``factor`` times as large."""
        other = copy.deepcopy(self)
        other.level_C *= factor
        if self.bin_samples:
            other.centre_F[: len(self.level_C)] += math.log(factor)  # the energies; rates stay
        return other

    def standard_of(self, emg_TC: FloatArray) -> CentreSpread:
        """Return centre and spread (F,) of one conditioned recording, for windows of it that come without a store."""
        if self.normalisation == "none":
            return self.typical()
        emg_TC = np.asarray(emg_TC, dtype=np.float32)
        binned = bool(self.bin_samples)
        rows_KF = self.rows(torch.from_numpy(emg_TC)).numpy() if binned else block_power(emg_TC, self.rate)
        return self.statistic.floored(self.statistic.of(rows_KF), self.typical())

    def signal(self, emg_BTC: Tensor, standard: CentreSpread | None = None) -> Tensor:
        """Return the signal (B, T or bins, F) of windows of EMG.

        Args:
            emg_BTC: float32, in the device's unit.
            standard: centre and spread of their recording, (F,), or of each window, (B, F); without it, those of
                training users.
        """
        return standardised(self.rows(emg_BTC), standard or self.typical())

    def rows(self, emg_TC: Tensor) -> Tensor:
        """Return what is normalised next: values of each whole bin (..., bins, F), or the samples (..., T, C)."""
        return self.values(bin_statistics(emg_TC, self.bin_samples)) if self.bin_samples else emg_TC

    def rows_of(self, emg_TC: FloatArray) -> FloatArray:
        """Return what ``rows`` returns of one stretch of EMG (T, C), sooner where it has few bins."""
        if not self.bin_samples:
            return emg_TC
        bins_N3C = statistics_of(emg_TC, self.bin_samples)
        energy_NC = np.log(np.sqrt(bins_N3C[:, 0]) + self.floor * self.level_C.cpu().numpy())
        return np.concatenate([energy_NC, bins_N3C[:, 1], bins_N3C[:, 2]], axis=1) if self.rates else energy_NC

    def normaliser(self, store: Store, kind: Normalisation | None = None) -> Normaliser:
        """Return the ``Normaliser`` of a store, which gives centre and spread of any window.

        Args:
            store: prepared recordings.
            kind: see ``Normaliser``; that of the front end unless given.
        """
        rows = self._rows_of(store) if self.bin_samples else power_rows(store)
        return Normaliser(rows, kind or self.normalisation, self.typical())

    def reader(self, store: Store, frames: int) -> WindowReader:
        """Return what reads the signal of windows of that many frames from a store."""
        if not self.bin_samples:
            return SampleReader(store, frames, self.normaliser(store))
        return BinReader(self, store, frames)

    def typical(self) -> CentreSpread:
        """Return centre and spread (F,) that are typical of training users: a causal stream starts from them."""
        if self.bin_samples:
            return CentreSpread(self.centre_F.cpu().numpy(), self.spread_F.cpu().numpy())
        return CentreSpread(np.zeros(self.columns), self.level_C.cpu().numpy())

    def _rows_of(self, store: Store) -> Rows:
        bins, row_s = bins_of(store, self.bin_samples), self.bin_samples // store.ratio / store.frame_rate
        return Rows(store, self.statistic, lambda index: self.values(bins.of_recording(index)).numpy(), row_s)

    def values(self, bins_N3C: Tensor) -> Tensor:
        """Return the log RMS of bins, and their rates where ``rates`` is set: (..., bins, F)."""
        level_C = self.level_C.to(bins_N3C.device)
        energy_NC = (bins_N3C[..., 0, :].sqrt() + self.floor * level_C).log()
        return torch.cat([energy_NC, bins_N3C[..., 1:, :].flatten(-2)], dim=-1) if self.rates else energy_NC


class BinReader:
    """Reads the normalised energies of windows, from the bins of a store where windows begin and end at their edges.

    Args:
        frontend: whose energies these are.
        store: prepared recordings.
        frames: length of a window.
    """

    def __init__(self, frontend: Frontend, store: Store, frames: int) -> None:
        self.frontend, self.frames = frontend, frames
        self._bins, self._normaliser = bins_of(store, frontend.bin_samples), frontend.normaliser(store)
        self._samples = SampleReader(store, frames, None)
        self._start_E = np.array([entry.start for entry in store.entries])

    def __call__(self, windows: Windows) -> Tensor:
        """Return the signal (B, bins, F)."""
        offset_N, frames = windows.start_N - self._start_E[windows.entry_N], self.frames
        if self._bins.hold(offset_N, frames):
            found = self._bins.of_windows(windows.entry_N, offset_N, frames)
        else:
            found = bin_statistics(self._samples(windows), self.frontend.bin_samples)
        standard = self._normaliser.of(windows.entry_N, windows.start_N + frames)
        return standardised(self.frontend.values(found), standard)

    def ahead(self, windows: Windows) -> None:
        """Ask the system for windows that will be read soon."""
        offset_N = windows.start_N - self._start_E[windows.entry_N]
        if self._bins.hold(offset_N, self.frames):
            self._bins.ahead(windows.entry_N, offset_N, self.frames)
        else:
            self._samples.ahead(windows)


def standardised(values_BNF: Tensor, standard: CentreSpread) -> Tensor:
    """Return values minus their centre, divided by their spread."""
    centre, spread = (
        torch.as_tensor(part, dtype=torch.float32, device=values_BNF.device)[..., None, :]
        for part in (standard.centre_F, standard.spread_F)
    )
    return (values_BNF - centre) / spread
