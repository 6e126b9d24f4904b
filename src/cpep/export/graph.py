"""A checkpoint as one ONNX graph, from EMG in the device's unit to the embedding."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from cpep.checkpoints.checkpoint import Model
from cpep.data.statistics import LEAST_LEVEL, MEMORY_S, PRIOR_S, SMALLEST_SPREAD, CentreSpread, Running, stacked
from cpep.data.store.frames import POWER_BLOCK_S, block_power
from cpep.types import FloatArray, IntArray, UserError

HOP_S = 0.05
"""Seconds from answer to answer; a causal model of energies answers once a bin instead."""


def require_extra() -> None:
    """Check that the packages of the extra ``export`` are installed.

    Raises:
        UserError: one is missing.
    """
    try:
        import onnx, onnxruntime, onnxscript  # noqa: E401, F401, I001
    except ImportError as error:
        raise UserError(f'export needs {error.name}; install it with pip install "cpep[export]"') from error


class Calibrated(nn.Module):
    """The graph of a model: from EMG windows, and centre and spread of their session, to embeddings.

    Args:
        model: embeds EMG.
    """

    outputs: tuple[str, ...] = ("embedding",)

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    @property
    def hop(self) -> int:
        """Samples from call to call: about HOP_S, in whole frames of the model."""
        card = self.model.card
        return max(1, round(HOP_S * card.frame_rate)) * round(card.device.emg_rate / card.frame_rate)

    @property
    def taken(self) -> int:
        """Samples at the end of a window that a call takes into the running state; 0 without a state."""
        return 0

    def start(self, standard: CentreSpread, samples_N: IntArray) -> dict[str, Any]:
        """Return the inputs beside the EMG, as arrays by name.

        Args:
            standard: centre and spread of windows, (N, F); of a running state, those before the samples that the
                call takes in.
            samples_N: samples of the recording before the samples that the call takes in.
        """
        return {"centre": standard.centre_F.astype(np.float32), "spread": standard.spread_F.astype(np.float32)}

    def beginning(self, count: int) -> dict[str, Any]:
        """Return the inputs beside the EMG for ``count`` windows that end with the first samples of a recording."""
        return self.start(repeated(self.model.emg_frontend.typical(), count), np.zeros(count, np.int64))

    def first(self, emg_NTC: FloatArray) -> tuple[int, CentreSpread]:
        """Return how many samples precede the first call that changes the state, and centre and spread in that call.

        They are computed as in a stream, so that the graph can be compared with them.

        Args:
            emg_NTC: windows of that call.
        """
        return 0, repeated(self.model.emg_frontend.typical(), len(emg_NTC))

    def forward(self, emg: Tensor, centre: Tensor, spread: Tensor) -> tuple[Tensor, ...]:
        """Return the embedding (B, D), or (B, Q, D) with queries.

        Args:
            emg: (B, T, C) float32, in the device's unit.
            centre: (B, F) float32.
            spread: (B, F) float32.
        """
        standard = CentreSpread(cast(FloatArray, centre), cast(FloatArray, spread))
        return (self.model.embed_signal(self.model.emg_frontend.signal(emg, standard)),)


class CausalBins(Calibrated):
    """The graph of a causal model of bins: a call takes running moments and one new bin, and returns the moments."""

    outputs = ("embedding", "new_moments", "new_rows")

    @property
    def hop(self) -> int:
        """Samples from call to call: a bin."""
        return self.model.emg_frontend.bin_samples

    @property
    def taken(self) -> int:
        """See ``Calibrated.taken``."""
        return self.hop

    def start(self, standard: CentreSpread, samples_N: IntArray) -> dict[str, Any]:
        """See ``Calibrated.start``."""
        centre, spread = standard.centre_F.astype(np.float64), standard.spread_F.astype(np.float64)
        rows_N = np.asarray(samples_N, np.int64) // self.hop
        return {"moments": np.stack([centre, centre**2 + spread**2], axis=1), "rows": rows_N}

    def first(self, emg_NTC: FloatArray) -> tuple[int, CentreSpread]:
        """See ``Calibrated.first``."""
        frontend, found = self.model.emg_frontend, []
        for row_F in frontend.rows(torch.from_numpy(emg_NTC)).numpy()[:, -1]:
            state = Running(frontend.statistic, frontend.typical(), frontend.row_s)
            state.update(row_F)
            found.append(state.now())
        return 0, stacked(found)

    def forward(self, emg: Tensor, moments: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        """Return the embedding, and the state after the newest bin of the window (see ``statistics.Running``).

        Args:
            emg: (B, T, C) float32, in the device's unit.
            moments: (B, 2, F) float64, first and second; in float32 their difference would lose the spread.
            rows: (B,) int64, bins that the moments have seen.
        """
        frontend = self.model.emg_frontend
        row_s = frontend.bin_samples / frontend.rate
        rows_BNF = frontend.rows(emg)
        newest_BF = rows_BNF[:, -1].double()
        weight_B = (1 / (PRIOR_S / row_s + rows.double() + 1)).clamp(min=row_s / MEMORY_S)
        moments = moments + weight_B[:, None, None] * (torch.stack([newest_BF, newest_BF.square()], dim=1) - moments)
        centre_BF = moments[:, 0]
        spread_BF = (moments[:, 1] - centre_BF.square()).clamp(min=SMALLEST_SPREAD**2).sqrt()
        signal_BNF = (rows_BNF - centre_BF.float()[:, None]) / spread_BF.float()[:, None]
        return self.model.embed_signal(signal_BNF), moments, rows + 1


class CausalSamples(Calibrated):
    """The graph of a causal model of raw samples: a call takes the running level and returns it.

    The level changes where a block of POWER_BLOCK_S ends, as in ``statistics.Running``. A call sees the end of one
    block at most, and the block lies within its window.

    Args:
        model: embeds raw EMG.

    Raises:
        UserError: windows are shorter than a block and a hop.
    """

    outputs = ("embedding", "new_fourth", "new_samples")

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.block = model.emg_frontend.rate * POWER_BLOCK_S
        if model.card.samples < self.block + self.hop:
            raise UserError(
                f"a graph carries the level of raw samples with windows of {POWER_BLOCK_S + HOP_S:g} s or more; "
                "set data.window_s"
            )

    @property
    def taken(self) -> int:
        """See ``Calibrated.taken``."""
        return self.hop

    def start(self, standard: CentreSpread, samples_N: IntArray) -> dict[str, Any]:
        """See ``Calibrated.start``."""
        return {"fourth": standard.spread_F.astype(np.float64) ** 4, "samples": np.asarray(samples_N, np.int64)}

    def first(self, emg_NTC: FloatArray) -> tuple[int, CentreSpread]:
        """See ``Calibrated.first``."""
        frontend, found, whole = self.model.emg_frontend, [], math.ceil(self.block)
        for emg_TC in emg_NTC[:, -whole:]:
            state = Running(frontend.statistic, frontend.typical(), frontend.row_s)
            state.update(block_power(emg_TC, frontend.rate)[0])
            found.append(state.now())
        return whole - self.hop, stacked(found)

    def forward(self, emg: Tensor, fourth: Tensor, samples: Tensor) -> tuple[Tensor, ...]:
        """Return the embedding, and the state after the newest samples of the window.

        Args:
            emg: (B, T, C) float32, in the device's unit.
            fourth: (B, C) float64, running mean of the fourth power of the level.
            samples: (B,) int64, samples before the newest ``hop``.
        """
        after = samples + self.hop
        blocks_B, before_B = self._blocks(after), self._blocks(samples)
        time_BT = after[:, None] - emg.shape[1] + torch.arange(emg.shape[1])
        first_B1, stop_B1 = (((blocks_B - back) * self.block + 1e-6).floor()[:, None] for back in (1, 0))
        inside_BT = ((time_BT >= first_B1) & (time_BT < stop_B1)).double()
        power_BC = (emg.double().square() * inside_BT[..., None]).sum(dim=1) / (stop_B1 - first_B1)
        weight_B = (1 / (PRIOR_S / POWER_BLOCK_S + before_B + 1)).clamp(min=POWER_BLOCK_S / MEMORY_S) * (
            blocks_B - before_B
        )
        fourth = fourth + weight_B[:, None] * (power_BC.square() - fourth)
        least_C = LEAST_LEVEL * self.model.emg_frontend.level_C
        level_BC = torch.maximum(fourth.sqrt().sqrt().float(), least_C)
        return self.model.embed_signal(emg / level_BC[:, None]), fourth, after

    def _blocks(self, samples_B: Tensor) -> Tensor:
        """Return how many blocks are complete after a number of samples, float64."""
        return (samples_B.double() / self.block + 1e-9).floor()


def graph_of(model: Model) -> Calibrated:
    """Return the graph of a model, in evaluation mode.

    Raises:
        UserError: the model embeds no EMG, or its windows are too short for a running level.
    """
    if not model.spec.exports:
        raise UserError(
            f"a {model.card.kind} checkpoint gives no embedding of EMG; export an aligned one (of `cpep align`)"
        )
    frontend = model.emg_frontend
    if frontend.normalisation != "causal":
        return Calibrated(model).eval()
    return (CausalBins if frontend.bin_samples else CausalSamples)(model).eval()


def repeated(standard: CentreSpread, count: int) -> CentreSpread:
    """Return one centre and spread (F,) for ``count`` windows, (N, F)."""
    return stacked([standard] * count)


def write_graph(graph: Calibrated, path: Path) -> None:
    """Write a graph as float32 ONNX, for any number of windows at once."""
    model, many = graph.model, torch.export.Dim.DYNAMIC
    beside = {name: torch.from_numpy(value) for name, value in graph.beginning(2).items()}
    inputs = {"emg": torch.zeros(2, model.card.samples, model.card.device.channels), **beside}
    with _quiet():
        program = torch.onnx.export(
            graph,
            kwargs=inputs,
            input_names=list(inputs),
            output_names=graph.outputs,
            dynamic_shapes={name: {0: many if name != "emg" else "B"} for name in inputs},
            custom_translation_table={torch.ops.aten.signbit.default: _signbit},
            verbose=False,
            dynamo=True,
        )
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces: paths of this machine
    program.save(path)


def _signbit(x: Any) -> Any:
    """Tell which values are negative, -0.0 included; the exporter's own ``signbit`` takes -0.0 for positive.

    EMG that is rounded to the steps of a converter has many values of -0.0.
    """
    from onnxscript import opset20

    return opset20.Less(opset20.Reciprocal(x), opset20.Constant(value_float=0.0))


def quantise(path: Path, out: Path) -> None:
    """Write the graph with int8 weights; the activations are quantised window by window.

    Weights are unsigned: with signed weights the products of bytes saturate on processors without VNNI. Convolutions
    stay float32: they read EMG, and int8 steps that fit a strong channel are too coarse for a weak one.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    filters = [node.name for node in onnx.load(path).graph.node if node.op_type == "Conv"]
    with _quiet():
        quantize_dynamic(path, out, weight_type=QuantType.QUInt8, per_channel=True, nodes_to_exclude=filters)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the log of the exporters, and a warning of torch about its own code."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".isinstance\(treespec, LeafSpec\). is deprecated", FutureWarning)
            yield
    finally:
        logging.disable(disabled)
