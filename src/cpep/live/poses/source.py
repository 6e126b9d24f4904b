"""Sources of poses by name, and how one is opened from what a user writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from cpep.hand.inverse import SIDES
from cpep.runtime.registry import Registry
from cpep.types import FloatArray, UserError


@dataclass(frozen=True, eq=False)
class PoseFrame:
    """A pose at one moment.

    Attributes:
        stamp_s: when it was measured, by ``time.monotonic`` of this machine, as ``Chunk.stamp_s`` of the EMG.
        pose_J: one value for each of the source's columns; ``None`` where the hand was not seen.
    """

    stamp_s: float
    pose_J: FloatArray | None


class PoseSource(Protocol):
    """Where poses come from.

    Attributes:
        name: what the user calls it.
        anchor_names: columns of its frames: ``cpep.hand.joints.JOINTS``, or those of any glove.
        unit: of the values: ``rad`` for joint angles; empty where it is not known.
        rate: frames per second, as it says; 0 where it has no regular one.
    """

    name: str
    anchor_names: tuple[str, ...]
    unit: str
    rate: float

    def frames(self) -> Iterator[PoseFrame]:
        """Yield frames as they arrive, until it is closed; while the source is away, frames without a pose.

        Raises:
            UserError: what is wrong with the source, in a sentence.
        """
        ...

    def close(self) -> None:
        """End ``frames`` soon, from any thread."""
        ...


@dataclass(frozen=True)
class PoseKind:
    """One kind of source.

    Attributes:
        forms: what a user may write, for sentences.
        open: opens it from the text after the name and its colon, the options, and the side of the hand.
        options: names of the options that it has.
        bare: whether nothing need stand after the name.
    """

    forms: tuple[str, ...]
    open: Callable[[str, Mapping[str, str], str], PoseSource]
    options: tuple[str, ...]
    bare: bool = False


POSES: Registry[PoseKind] = Registry("source of poses", ("cpep.live.poses.lsl", "cpep.live.poses.camera"))
"""Sources of poses by the word before the colon of ``--pose``."""


def open_pose(text: str, side: str = "right") -> PoseSource:
    """Open a source of poses.

    Args:
        text: ``lsl:NAME``, ``camera`` or ``camera:1``, with options after commas: ``side=left`` of all of them,
            ``unit=rad``, ``source_id=ID`` and ``hostname=HOST`` of a stream, ``model=PATH`` and ``mirrored=yes`` of a
            camera.
        side: of the hand, where neither the options nor the source say it.

    Raises:
        UserError: a text of another form, nothing there, columns or a unit that are not understood, a package or a
            model that is missing.
    """
    main, options = _parts(text)
    name, colon, rest = main.partition(":")
    if name not in POSES or bool(rest) != bool(colon) or not (rest or POSES.get(name).bare):
        *others, last = (form for kind in POSES for form in kind.forms)
        raise UserError(f"--pose {text}: write {', '.join(others)} or {last}")
    kind = POSES.get(name)
    for option in options:
        if option not in kind.options:
            raise UserError(f"--pose {text}: {name} has no option {option}; it has {', '.join(kind.options)}")
    side = options.get("side", side)
    if side not in SIDES:
        raise UserError(f"--pose {text}: side {side}; write right or left")
    return kind.open(rest, options, side)


def _parts(text: str) -> tuple[str, dict[str, str]]:
    """Return the text up to the options, and the options; a comma without ``=`` behind it belongs to a name."""
    main, *parts = text.split(",")
    options: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals and not options:
            main += f",{part}"
        elif not equals or not value:
            raise UserError(f"--pose {text}: {part!r} is no option; write option=value after a comma")
        else:
            options[key] = value
    return main, options
