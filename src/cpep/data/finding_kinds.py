"""Every kind of mark as a sentence: what is wrong or odd, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of mark.

    Attributes:
        says: the sentence. ``{ch}`` stands for the channels, ``{of}`` and ``{in}`` for whose, ``{range}`` for the
            value, ``{detail}`` and ``{place}`` for those of the mark; ``[one|more]`` is chosen by their number.
        then: what to do about it, or what it may mean.
        tag: one word for a table.
        unusable: whether what it marks cannot be used.
        digits: digits of the value after the point.
    """

    says: str
    then: str
    tag: str
    unusable: bool = False
    digits: int = 0


KINDS: dict[str, Kind] = {
    "silent": Kind("no channel{of} has any signal", "check cable and file, or remove it", "silent", True),
    "short": Kind(
        "{of} [is|are] too short: {range} s, and a window takes 2 s", "join or remove [it|them]", "short", True, 2
    ),
    "flat": Kind(
        "{ch}{of} [has|have] {detail} signal", "name the other channels as `columns`, or leave these recordings out",
        "flat", True,
    ),
    "saturated": Kind(
        "{ch}{of} [is|are] clipped for {range} % of the time", "leave [it|them] out, and record with less gain",
        "clipped", True,
    ),
    "no_valid": Kind(
        "no frame of the anchor{of} is valid", "it serves the masked autoencoder of EMG alone", "pose invalid", True
    ),
    "clipped": Kind(
        "{ch}{of} [is|are] clipped: {range} % of the samples lie at the ends of the range", "record with less gain",
        "clipped", digits=1,
    ),
    "copies": Kind("{ch}{of} are copies of each other", "look at the montage: one input is wired twice", "copy"),
    "turned": Kind(
        "{ch}{of} are one signal with opposite signs", "look at the montage: one input is wired twice", "copy"
    ),
    "hum": Kind(
        "{ch}{of} [hums|hum]: {range} % of [its|their] power is at {detail} Hz and its harmonics",
        "prepare with --notch {detail}; next time look at the reference electrode and chargers", "hum",
    ),
    "loud": Kind(
        "{ch}{of} [is|are] {range} times as strong as the usual channel", "an electrode may be loose", "loud"
    ),
    "noisy": Kind(
        "{ch}{of} [is|are] noisy: at rest {range} times as strong as the usual channel, and little more in movements",
        "an electrode may be loose or dry", "noisy",
    ),
    "held": Kind(
        "all channels{of} repeat one value for {range} s ({place})", "the recorder may have filled lost samples",
        "held", digits=1,
    ),
    "dead": Kind(
        "{ch}{of} [is|are] flat for {range} s ({place})", "an electrode may have come off", "dead spell", digits=1
    ),
    "bursts": Kind(
        "all channels{of} burst together, {range} times as strong as strong movements ({place})",
        "a cable or the band may have been knocked", "burst",
    ),
    "offset": Kind(
        "{ch}{of} [carries|carry] an offset of {range} {detail}", "the high-pass takes it out", "offset"
    ),
    "offset_left": Kind(
        "{ch}{of} [carries|carry] an offset of {range} {detail}, and no high-pass is asked for",
        "prepare with --highpass 20",
        "offset",
    ),
    "unit": Kind(
        "the EMG{of} has an SD of {range} {detail}, which no recording of muscles has", "check `unit` and `scale`",
        "unit?",
    ),
    "scale": Kind(
        "the EMG{of} is {range} times as {detail} as that of the other recordings",
        "it may be in another unit: check `unit` and `scale`", "unit?",
    ),
    "looks": Kind("the EMG{of} looks {detail}", "check `kind`", "kind?"),
    "repeats": Kind(
        "every sample{of} stands {detail} times in a row", "give the rate of the device and each sample once",
        "repeated",
    ),
    "empty_band": Kind(
        "the spectrum{of} is empty above {range} Hz, and {detail} Hz could hold more",
        "it may have been resampled: give the rate of the device", "empty band",
    ),
    "part": Kind(
        "{of} [is a part|are parts] of a file that was cut where its clock jumps", "nothing was filled in", "cut"
    ),
    "rate": Kind(
        "the clock{of} says {range} Hz where {detail} Hz are declared", "correct `rate`", "rate", digits=2
    ),
    "repair": Kind("{of}: {range} {detail}", "mended on reading", "mended"),
    "note": Kind("{of}: {detail}", "", "note"),
    "no_anchor": Kind("no pose{in}, nor another anchor", "it serves training without pose alone", "no pose"),
    "invalid": Kind("{range} % of the anchor{of} is invalid", "no pair is taken from there", "pose invalid"),
    "degrees": Kind(
        "the pose{of} reaches {range} rad, more than a full turn", "it may be in degrees", "degrees?", digits=1
    ),
    "still": Kind("{detail} of the pose{of} never moves", "a sensor may be broken", "still"),
    "lag_early": Kind(
        "the pose{of} moves {range} ms before the EMG changes", "the clocks of EMG and pose may differ", "lag"
    ),
    "lag_late": Kind(
        "the pose{of} moves {range} ms after the EMG changes; 30 to 100 ms are usual",
        "the clocks of EMG and pose may differ, or the pose is filtered; `data.pose_lag_ms` shifts it", "lag",
    ),
    "no_labels": Kind("no labels{in}", "it serves training without labels alone", "no labels"),
    "no_gesture": Kind("no gesture is labelled{in}, only rest", "check the names of the labels", "no gesture"),
    "swapped": Kind(
        "{ch}{of} fit the others better when they change places: agreement goes from {range}",
        "two plugs may be swapped", "swapped?", digits=2,
    ),
    "mirrored": Kind(
        "the channels{of} fit the others better in the opposite order: agreement goes from {range}",
        "the band may be worn on the other arm, or the other way up", "mirrored?", digits=2,
    ),
    "turned_ring": Kind(
        "the channels{of} fit the others better when the ring turns by {detail}: agreement goes from {range}",
        "the band may have been put on turned", "turned?", digits=2,
    ),
    "other_device": Kind(
        "{of} [is|are] from another device: {detail}", "one store cannot hold both: prepare it apart", "device", True
    ),
}  # fmt: skip
"""Every kind of mark, the worst first."""

LOOKS = {
    "envelope": "like an envelope and is declared raw: no value is below zero, and it is slow",
    "rectified": "rectified and is declared raw: no value is below zero",
    "raw": "raw and is declared an envelope: its values have both signs, and it is fast",
}
