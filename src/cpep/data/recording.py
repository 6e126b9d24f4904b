"""One recording of EMG, with or without an anchor, from any device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cpep.data.anchor import ANCHORS, BY_UNIT, Anchor
from cpep.signal.conditioning import Asked, Conditioning, usual_highpass
from cpep.types import (
    CONTROL,
    LONGEST_NAME,
    BoolArray,
    EmgKind,
    FloatArray,
    IntArray,
    UserError,
    refuse_interpolation,
)

MOST_CHANNELS, MOST_HZ = 10_000, 200_000.0
"""More EMG channels, and more samples per second, than any device has."""
MOST_LABELS = 10_000


@dataclass(frozen=True)
class Device:
    """What a recording device delivers; recordings of one store share it.

    Attributes:
        channels: number of EMG channels.
        emg_rate: EMG samples per second.
        emg_kind: ``raw`` signal or rectified, smoothed ``envelope``.
        emg_unit: unit of the EMG (``noise_sd``, ``uV``, ``mV``, ``V``, ``count``); empty where it is not known.
        ring: channels that form a closed ring around the arm, in order; empty if none do.
        anchor_names: columns of the anchor, such as joints; empty where there is none.
        anchor_unit: ``rad`` for joint angles, ``count`` for an uncalibrated glove, ...; empty where it is not known.
        anchor_kind: one of ``cpep.data.anchor.ANCHORS``; empty where the unit says it.
        highpass_hz: cut-off of the high-pass that cpep puts over the EMG, Hz; 0 where the data say that it was done
            before. ``None`` stands for the usual one of such EMG, which takes its place at once.
        notch_hz: mains, Hz, whose hum cpep takes out; 0 for none.

    Raises:
        UserError: no device has so many channels or such a rate, or EMG of this kind and rate cannot be filtered so.
    """

    channels: int
    emg_rate: float
    emg_kind: EmgKind
    emg_unit: str
    ring: tuple[int, ...] = ()
    anchor_names: tuple[str, ...] = ()
    anchor_unit: str = ""
    anchor_kind: str = ""
    highpass_hz: float | None = None
    notch_hz: float = 0.0

    def __post_init__(self) -> None:
        if not (1 <= self.channels <= MOST_CHANNELS and 0 < self.emg_rate <= MOST_HZ):
            raise UserError(
                f"{self.channels} EMG channels at {self.emg_rate:g} Hz; a device has 1 to {MOST_CHANNELS:,} channels "
                f"at up to {MOST_HZ:,.0f} Hz"
            )
        if self.highpass_hz is None:
            object.__setattr__(self, "highpass_hz", usual_highpass(self.emg_kind, self.emg_rate))
        if self.emg_kind == "envelope" and self.conditioning:
            raise UserError("an envelope has neither offset nor hum to filter out; leave out high-pass and notch")
        self.conditioning.check(self.emg_rate)

    @property
    def conditioning(self) -> Conditioning:
        """What cpep filters out of the EMG."""
        return Conditioning(self.highpass_hz or 0.0, self.notch_hz)

    def filtered(self, asked: Asked) -> Device:
        """Return the device with what is asked for in place of its conditioning.

        Raises:
            UserError: EMG of this kind and rate cannot be filtered so.
        """
        wanted = asked.of(self.conditioning)
        return replace(self, highpass_hz=wanted.highpass_hz, notch_hz=wanted.notch_hz)

    def with_anchor_of(self, other: Device) -> Device:
        """Return the device with the anchor of another one."""
        names, unit, kind = other.anchor_names, other.anchor_unit, other.anchor_kind
        return replace(self, anchor_names=names, anchor_unit=unit, anchor_kind=kind)

    @property
    def anchor(self) -> Anchor:
        """The anchor, which EMG is aligned to.

        Raises:
            UserError: no module registers the device's kind of anchor.
        """
        kind = ANCHORS.get(self.anchor_kind or BY_UNIT.get(self.anchor_unit, "values"))
        return Anchor(kind, self.anchor_names, self.anchor_unit)


def check_ring(device: Device) -> Device:
    """Return the device, of whose ring all channels exist.

    Raises:
        UserError: the ring names a channel twice, or one that does not exist.
    """
    if set(device.ring) - set(range(device.channels)) or len(set(device.ring)) != len(device.ring):
        raise UserError(f"ring {list(device.ring)} does not fit {device.channels} channels")
    return device


def check_name(name: str, what: str) -> None:
    """Check a name that comes from a file.

    Raises:
        UserError: it is too long, or holds a control character or what no text in UTF-8 can hold; the sentence
            begins with ``what``.
    """
    if len(name) > LONGEST_NAME:
        raise UserError(f"{what} has {len(name):,} characters, of which names have at most {LONGEST_NAME:,}")
    if CONTROL.search(name):
        raise UserError(f"{what}, {name!a}, holds a control character, or what is no character; write it anew")


JUMPS = "jumps of the offset of a channel taken out"
"""What is mended where an electrode was pressed on again."""


@dataclass(frozen=True)
class Repair:
    """What a reader mended in a recording.

    Attributes:
        what: in words that follow a number: ``lost samples filled by interpolation``.
        count: of samples, frames or rows.
    """

    what: str
    count: int

    def __str__(self) -> str:
        """Return both as a text, such as ``12 lost samples filled by interpolation``."""
        return f"{self.count:,} {self.what}"


@dataclass(frozen=True, eq=False)
class Recording:
    """EMG of one person, one session of the device, one file.

    Attributes:
        name: unique in its folder (the file's stem).
        user: the person.
        session: one wearing of the device; a name that is unique among those of the person.
        stage: part of the protocol of recording, such as an exercise of NinaPro.
        side: arm: ``left`` or ``right``.
        device: channels, rate, kind and unit of the EMG; columns of the anchor.
        emg_TC: float32, finite.
        anchor_SJ: float32, first frame at the first EMG sample; ``None`` without an anchor.
        anchor_rate: frames of the anchor per second.
        valid_S: where the anchor was measured (emg2pose: not an IK failure).
        label_T: what the hand does, index into ``vocabulary``; REST or UNKNOWN elsewhere.
        vocabulary: names of the labels; entry 0 is ``rest``.
        prompt_T: what the person was asked to do, at least as wide as the label: a sample whose label is
            rest may still belong to a prompted gesture, and leak it. ``None`` where nothing is known.
        repetition_T: number of the repetition, 0 where none.
        mirror: permutation of the channels that maps this (left) band to a right one; empty for none.
        repairs: what the reader mended.
        notes: what is odd and was left as it is; each a sentence without a full stop.
        measured_rate: EMG samples per second by the file's own clock; 0 where it has none.

    Raises:
        UserError: lengths do not fit, the EMG is not finite, or a name is too long, no text or holds ``${``.
    """

    name: str
    user: str
    session: str
    stage: str
    side: str
    device: Device
    emg_TC: FloatArray
    anchor_SJ: FloatArray | None
    anchor_rate: float
    valid_S: BoolArray
    label_T: IntArray
    vocabulary: tuple[str, ...]
    prompt_T: IntArray | None = None
    repetition_T: IntArray | None = None
    mirror: tuple[int, ...] = ()
    repairs: tuple[Repair, ...] = ()
    notes: tuple[str, ...] = ()
    measured_rate: float = 0.0

    def __post_init__(self) -> None:
        texts = {name: getattr(self, name) for name in ("name", "user", "session", "stage", "vocabulary")}
        refuse_interpolation({**texts, "device": vars(self.device)}, self.name)  # a store of them could not be opened
        for what, named in (("user", self.user), ("session", self.session), ("stage", self.stage)):
            check_name(named, f"{self.name}: the {what}")
        for named in (*self.vocabulary, *self.device.anchor_names):
            check_name(named, f"{self.name}: the name of a label or of a column")
        if len(self.vocabulary) > MOST_LABELS:
            raise UserError(
                f"{self.name} has {len(self.vocabulary):,} labels; at most {MOST_LABELS:,} are told apart"
            )
        if not 0 < self.anchor_rate <= MOST_HZ:
            raise UserError(f"{self.name}: its anchor has the rate {self.anchor_rate:g} Hz, which is none")
        samples, channels = self.emg_TC.shape
        if channels != self.device.channels:
            raise UserError(f"{self.name}: {channels} EMG channels where {self.device.channels} are expected")
        try:
            check_ring(self.device)
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from error
        if self.mirror and sorted(self.mirror) != list(range(channels)):
            raise UserError(f"{self.name}: the mirror {list(self.mirror)[:20]} does not fit {channels} channels")
        for what, array in (
            ("labels", self.label_T),
            ("prompts", self.prompt_T),
            ("repetitions", self.repetition_T),
        ):
            if array is not None and len(array) != samples:
                raise UserError(f"{self.name}: {len(array)} {what} for {samples} EMG samples")
        if self.anchor_SJ is not None and self.anchor_SJ.shape != (
            len(self.valid_S),
            len(self.device.anchor_names),
        ):
            raise UserError(
                f"{self.name}: an anchor of shape {self.anchor_SJ.shape}, expected "
                f"({len(self.valid_S)} frames, {len(self.device.anchor_names)} {self.device.anchor.kind.columns})"
            )
        bad = ~np.isfinite(self.emg_TC)
        if bad.any():
            t, c = np.argwhere(bad)[0]
            raise UserError(
                f"{self.name}: EMG is not finite ({int(bad.sum())} values; the first at sample {t}, channel {c}); "
                "cut or interpolate these samples before use"
            )

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.emg_TC) / self.device.emg_rate
