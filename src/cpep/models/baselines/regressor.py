"""The base class of models that predict a pose sequence from EMG windows, and how they adapt to other devices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from cpep.types import UserError

DESIGN_RATE = 2000.0
"""EMG samples per second at which the strides and kernels of the published models are stated."""


class PoseRegressor(nn.Module):
    """EMG windows in, a pose sequence out.

    A subclass implements ``features`` and ``decode``, and ends in the linear layer ``last``, whose output it
    multiplies by ``scale``. The mean pose is added here, so that the prediction is the mean pose where the decoder
    returns zeros.

    Args:
        joints: joints or glove sensors J of a pose.
        samples: EMG samples T of a window.
        rate: EMG samples per second.
        context: EMG samples before the sample of the first output (left context).
        times_S: time of every output, seconds from the window's start, ascending, within [0, T / rate). Sample i
            is at i / rate, as everywhere in a store.

    Attributes:
        mean_J: the training people's mean pose, saved with the weights but not trained.
        tracks: whether ``forward`` takes the pose at the window's start.
        tokens: tokens of a window, without [CLS]; 0 for a network that reads samples.
        usual_scale: ``scale`` as it was published, and as a checkpoint has it.
        scale: what the last layer's output is multiplied by. A training may choose another one, since a decoder whose
            output is scaled too low stays at the mean pose; ``fold_scale`` then puts it into the weights.
    """

    mean_J: Tensor
    times_S: Tensor
    tracks = False
    tokens = 0
    usual_scale = 1.0

    def __init__(self, *, joints: int, samples: int, rate: float, context: int, times_S: Tensor) -> None:
        super().__init__()
        self.joints, self.samples, self.rate = joints, samples, rate
        self.context, self.scale = context, self.usual_scale
        self.register_buffer("times_S", times_S, persistent=False)
        self.register_buffer("mean_J", times_S.new_zeros(joints))

    @property
    def last(self) -> nn.Linear:
        """The linear layer from which the pose comes."""
        assert isinstance(self.head, nn.Linear)
        return self.head

    def fold_scale(self) -> None:
        """Put the scale into the weights of the last layer, so that the network is the same at its usual scale."""
        self.multiply_last(self.scale / self.usual_scale)
        self.scale = self.usual_scale

    @torch.no_grad()
    def multiply_last(self, factor: float) -> None:
        """Multiply the weights of the last layer."""
        for parameter in self.last.parameters():
            parameter.mul_(factor)

    def fit_mean(self, pose_BSJ: Tensor) -> None:
        """Take the mean pose from training windows."""
        self.mean_J.copy_(pose_BSJ.flatten(0, 1).mean(dim=0))

    def fit(self, signals: Callable[[], Tensor], pose_BSJ: Tensor) -> None:
        """Take statistics from training windows: the mean pose.

        Args:
            signals: returns EMG windows (B, T, C); called only by models that standardise their signal.
            pose_BSJ: poses of these windows.
        """
        self.fit_mean(pose_BSJ)

    def features(self, signal_BTC: Tensor) -> Tensor:
        """Return the features that the decoder reads, over time: (B, N, D)."""
        raise NotImplementedError

    def decode(self, features_BND: Tensor, first_BJ: Tensor | None) -> Tensor:
        """Return the pose (B, S, J) less the mean pose; ``first_BJ`` is the first pose, less the mean pose too."""
        raise NotImplementedError

    def forward(self, signal_BTC: Tensor, first_BJ: Tensor | None = None) -> Tensor:
        """Return the pose (B, S, J) at ``times_S``.

        Args:
            signal_BTC: EMG windows.
            first_BJ: the pose just before the first output, for models that can track.

        Raises:
            ValueError: the windows have another length, or ``first_BJ`` is given to a model that does not track.
        """
        if signal_BTC.shape[1] != self.samples:
            raise ValueError(f"a window of {signal_BTC.shape[1]} samples for a model of {self.samples}")
        if first_BJ is not None:
            if not self.tracks:
                raise ValueError(f"{type(self).__name__} starts from no given pose: only the velocity decoder tracks")
            first_BJ = first_BJ - self.mean_J
        return self.mean_J + self.decode(self.features(signal_BTC), first_BJ)


def strides_at(strides: Sequence[int], factor: float) -> tuple[int, ...]:
    """Return the strides of a stack of stages on another device.

    The total stride should last as long as at 2,000 Hz: product(strides) * factor samples, rounded, at
    least 1. It is divided among the stages from the last to the first: a stage takes its own stride, or the rest
    if that is smaller, and the rest is integer-divided by it. So at low rates the first stages have a stride of 1.
    The total can be smaller than wanted, 32 in place of 40 in the second example: outputs then come faster.
    Above 2,000 Hz the strides stay as they are, so there are more outputs per second.

    >>> strides_at((5, 2, 4, 2), 100 / 2000)
    (1, 1, 2, 2)
    >>> strides_at((5, 2, 4, 2), 1000 / 2000)
    (2, 2, 4, 2)

    Args:
        strides: strides or pools at 2,000 Hz, first stage first.
        factor: the device's rate over 2,000 Hz.
    """
    left = max(1, round(math.prod(strides) * factor))
    dealt: list[int] = []
    for stride in reversed(strides):
        dealt.append(min(stride, left))
        left //= dealt[-1]
    return tuple(reversed(dealt))


def kernel_at(kernel: int, stride: int, new_stride: int) -> int:
    """Return the kernel of a stage on another device.

    It shrinks with its stride: the odd number nearest to kernel * new_stride / stride (of two, the larger),
    at least 3. A stage whose stride is unchanged keeps its kernel.

    >>> [kernel_at(11, 5, 1), kernel_at(17, 4, 2), kernel_at(9, 2, 2)]
    [3, 9, 9]
    """
    if new_stride == stride:
        return kernel
    return max(3, nearest_odd(kernel * new_stride / stride))


def nearest_odd(value: float) -> int:
    """Return the odd number nearest to a positive value; of two equally near, the larger.

    >>> [nearest_odd(value) for value in (2.2, 4, 8.5, 100)]
    [3, 5, 9, 101]
    """
    return 2 * math.floor(value / 2) + 1


def receptive_field(layers: Iterable[tuple[int, int]]) -> int:
    """Return the samples that one output reads, from the (kernel, stride) of valid layers, first layer first.

    >>> receptive_field([(11, 5), (5, 2)])
    31
    """
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field


def check_window(samples: int, shortest: int, rate: float, name: str) -> None:
    """Raise a UserError if a window has fewer samples than a model needs.

    Args:
        samples: samples of the window.
        shortest: samples that the model needs for its first output.
        rate: EMG samples per second.
        name: the model's name, for the error.
    """
    if samples < shortest:
        needed_s = math.ceil(1000 * shortest / rate) / 1000
        raise UserError(
            f"a window of {samples / rate:g} s is too short for {name}: at {rate:g} Hz the shortest is {needed_s:g} s"
        )
