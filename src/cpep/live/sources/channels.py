"""Some channels of a source, in the order that is asked for: ``lsl:NAME[1-8]``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cpep.data.recording import Device
from cpep.live.signals import Chunk, Source
from cpep.types import UserError

WRITTEN = re.compile(r"(?P<before>.*)\[(?P<channels>[\d\s,-]+)\](?P<after>(?:,\w+=.*)?)", re.DOTALL)
"""Brackets of numbers at the end, or before what is said by ``,key=value``; a name may hold brackets before them."""


class Chosen:
    """A source of which some channels are taken.

    Args:
        source: with all channels.
        text: what the user wrote between the brackets: numbers from 1, and ranges, as ``1,3,5-8``.

    Raises:
        UserError: a channel that is not there, or is named twice, or something else than numbers.
    """

    def __init__(self, source: Source, text: str) -> None:
        self.name, self.source = f"{source.name}[{text}]", source
        self._index = indices(text, self.name, source.device.channels)
        self.device = device_of(source.device, self._index)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks of the source with these channels.

        Raises:
            UserError: what is wrong with the source.
        """
        for chunk in self.source.chunks():
            yield replace(chunk, emg_TC=chunk.emg_TC[:, self._index])

    def close(self) -> None:
        """Close the source."""
        self.source.close()


def split(text: str) -> tuple[str, str]:
    """Return what is written without the channels, and the channels; empty where none are chosen.

    >>> split("lsl:My band[1,3,5-8],unit=uV")
    ('lsl:My band,unit=uV', '1,3,5-8')
    """
    found = WRITTEN.fullmatch(text)
    return (found["before"] + found["after"], found["channels"]) if found else (text, "")


def indices(text: str, name: str, channels: int) -> list[int]:
    """Return the channels that a text names, counted from 0; a range may go down, as ``8-1``.

    Args:
        text: numbers from 1, and ranges.
        name: of the source, for the sentence of an error.
        channels: of the source.

    Raises:
        UserError: a channel that is not there, or is named twice, or something else than numbers.
    """
    found: list[int] = []
    for part in text.split(","):
        numbers = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if numbers is None:
            raise UserError(f"{name}: {part.strip() or 'nothing'} is no channel; write such as [1-8] or [1,3,5-8]")
        first, last = int(numbers[1]), int(numbers[2] or numbers[1])
        if beyond := [number for number in (first, last) if not 1 <= number <= channels]:
            raise UserError(f"{name}: there is no channel {beyond[0]}; the source has channels 1 to {channels}")
        found += range(first, last + 1) if first <= last else range(first, last - 1, -1)
    if twice := sorted({number for number in found if found.count(number) > 1}):
        raise UserError(f"{name}: channel {twice[0]} is named twice; name each channel once")
    return [number - 1 for number in found]


def device_of(device: Device, index: list[int]) -> Device:
    """Return a device of which only these channels are taken, in this order.

    The ring stays one where all of it is taken, or every second, every third, and so on.
    """
    place = {channel: new for new, channel in enumerate(index)}
    kept = [at for at, channel in enumerate(device.ring) if channel in place]
    steps = {(after - at) % len(device.ring) for at, after in zip(kept, [*kept[1:], *kept[:1]], strict=True)}
    ring = tuple(place[device.ring[at]] for at in kept) if len(kept) > 2 and len(steps) == 1 else ()
    return replace(device, channels=len(index), ring=ring)
