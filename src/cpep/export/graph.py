"""A checkpoint as one ONNX graph, from EMG in the device's unit to the embedding."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from cpep.checkpoints.checkpoint import Model
from cpep.data.statistics import MEMORY_S, PRIOR_S, SMALLEST_SPREAD, CentreSpread, stacked
from cpep.types import FloatArray, UserError


def require_extra() -> None:
    """Check that what export needs is installed.

    Raises:
        UserError: it is not.
    """
    try:
        import onnx, onnxruntime, onnxscript  # noqa: E401, F401, I001
    except ImportError as error:
        raise UserError(f'export needs {error.name}; install it with pip install "cpep[export]"') from error


class Calibrated(nn.Module):
    """EMG windows with centre and spread of their session to embeddings.

    Args:
        model: reads EMG.
    """

    outputs: tuple[str, ...] = ("embedding",)

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def start(self, standard: CentreSpread, rows_N: Any) -> dict[str, Any]:
        """Return the inputs beside the EMG, as arrays.

        Args:
            standard: of windows, (N, F).
            rows_N: bins before the newest bin of each window; not needed here.
        """
        return {
            "centre": standard.centre_F.astype(np.float32),
            "spread": standard.spread_F.astype(np.float32),
        }

    def forward(self, emg: Tensor, centre: Tensor, spread: Tensor) -> tuple[Tensor, ...]:
        """Return the embedding (B, D), or (B, Q, D) with queries.

        Args:
            emg: (B, T, C) float32, in the device's unit.
            centre: (B, F) float32.
            spread: (B, F) float32.
        """
        standard = CentreSpread(cast(FloatArray, centre), cast(FloatArray, spread))
        return (self.model.embed_signal(self.model.emg_frontend.signal(emg, standard)),)


class Causal(Calibrated):
    """The same for a model that knows the past alone: the running moments go in and come out, a bin at a time."""

    outputs = ("embedding", "new_moments", "new_rows")

    def start(self, standard: CentreSpread, rows_N: Any) -> dict[str, Any]:
        """Return the running state before the newest bin of each window; see ``Calibrated.start``."""
        centre, spread = standard.centre_F.astype(np.float64), standard.spread_F.astype(np.float64)
        return {"moments": np.stack([centre, centre**2 + spread**2], axis=1), "rows": np.asarray(rows_N, np.int64)}

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


def graph_of(model: Model) -> Calibrated:
    """Return what is exported of a model.

    Raises:
        UserError: the model embeds no EMG.
    """
    if model.card.kind not in ("cpep", "emg_mae", "supervised"):
        raise UserError(
            f"a {model.card.kind} checkpoint gives no embedding of EMG; export an aligned one (of `cpep align`)"
        )
    frontend = model.emg_frontend
    if frontend.normalisation == "causal" and not frontend.bin_samples:
        raise UserError(
            "a causal checkpoint of raw samples carries a running level, which no graph has yet; "
            "export one of energies (emg.tokens=log_rms)"
        )
    return (Causal if frontend.normalisation == "causal" else Calibrated)(model).eval()


def repeated(standard: CentreSpread, count: int) -> CentreSpread:
    """Return one standard (F,) for that many windows, (N, F)."""
    return stacked([standard] * count)


def write_graph(graph: Calibrated, path: Path) -> None:
    """Write a graph as float32 ONNX, for any number of windows at once."""
    model, many = graph.model, torch.export.Dim.DYNAMIC
    typical = model.emg_frontend.typical()
    beside = {name: torch.from_numpy(value) for name, value in graph.start(repeated(typical, 2), [0, 0]).items()}
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
    """Tell negative values, -0.0 among them, from others; the exporter's own would take -0.0 for positive.

    Rounding to the steps of a converter leaves many.
    """
    from onnxscript import opset20

    return opset20.Less(opset20.Reciprocal(x), opset20.Constant(value_float=0.0))


def quantise(path: Path, out: Path) -> None:
    """Write the graph with int8 weights; the activations are quantised window by window.

    Weights are unsigned: with signed ones the products of bytes saturate on processors without VNNI.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(path, out, weight_type=QuantType.QUInt8, per_channel=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporters log about themselves, and a warning of torch about its own code."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".isinstance\(treespec, LeafSpec\). is deprecated", FutureWarning)
            yield
    finally:
        logging.disable(disabled)
