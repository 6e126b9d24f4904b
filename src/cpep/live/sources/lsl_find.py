"""Which stream of LSL is meant: what a user writes, and the streams that are there."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

from cpep.signal.units import OF_EMG, canonical
from cpep.types import UserError

FIND_S = 5.0
"""A stream that has not been found for so long is not there."""
AGAIN_S, FORGET_S = 0.5, 2.0
SETTLE_S = 0.7
"""So much longer than the first stream, others are waited for: LSL asks the network twice a second."""
PROPERTIES = ("name", "type", "source_id", "hostname")
SAID = re.compile(r"(?P<before>.*),(?P<key>source_id|hostname|unit|kind|rate)=(?P<value>[^,]*)", re.DOTALL)
"""One thing that is said after the name; a name may hold commas before it."""
KINDS = ("raw", "envelope")


@dataclass(frozen=True)
class Asked:
    """What a user writes after ``lsl:``.

    Attributes:
        text: as it was written.
        properties: what the stream must have, by LSL's names.
        unit: of its EMG; empty where that is not written.
        kind: of its EMG; empty where that is not written.
        rate: samples per second; 0 where that is not written.
    """

    text: str
    properties: dict[str, str]
    unit: str = ""
    kind: str = ""
    rate: float = 0.0

    @property
    def predicate(self) -> str:
        """The properties as LSL asks for them."""
        return " and ".join(f"{key}={_quoted(value)}" for key, value in self.properties.items())

    def __str__(self) -> str:
        """Return the properties in words."""
        return " and ".join(f"{key} {value}" for key, value in self.properties.items())


def parse(text: str) -> Asked:
    """Read what a user writes after ``lsl:``, as ``My band,unit=uV`` or ``type=EMG,hostname=lab2``.

    Raises:
        UserError: it cannot be read.
    """
    rest, said = text, dict[str, str]()
    while found := SAID.fullmatch(rest):
        rest = found["before"]
        said.setdefault(found["key"], found["value"].strip())
    key, equals, value = rest.partition("=")
    if not equals:
        key, value = "name", rest
    if key not in PROPERTIES or not value:
        raise UserError(
            f"lsl:{text}: write lsl:NAME, lsl:type=EMG for any stream of a type, or lsl:source_id=ID; for a name "
            "that holds = write lsl:name=NAME"
        )
    asked = Asked(
        text,
        {key: value} | {other: said[other] for other in ("source_id", "hostname") if said.get(other)},
        _unit(said.get("unit", ""), text),
        said.get("kind", ""),
        _rate(said.get("rate", ""), text),
    )
    if asked.kind not in ("", *KINDS):
        raise UserError(f"lsl:{text}: kind={asked.kind}; write kind=raw or kind=envelope")
    if any("'" in one and '"' in one for one in asked.properties.values()):
        raise UserError(f"lsl:{text}: LSL cannot ask for a name with quotes of both kinds; ask by another property")
    return asked


@dataclass
class Finder:
    """Goes on looking for streams.

    Args:
        pylsl: the module.
        asked: which streams.
    """

    pylsl: Any
    asked: Asked
    resolver: Any = field(init=False)

    def __post_init__(self) -> None:
        # One that goes on looking: resolve_byprop now and then takes 5 s longer than it is given.
        self.resolver = self.pylsl.ContinuousResolver(pred=self.asked.predicate, forget_after=FORGET_S)

    def first(self) -> Any:
        """Return the stream that is meant.

        Raises:
            UserError: there is none, or there are two.
        """
        if not self._wait(FIND_S):
            there = _listed(self.pylsl.resolve_streams(1.0))
            raise UserError(f"no LSL stream with {self.asked} within {FIND_S:g} s; there {there}")
        time.sleep(SETTLE_S)
        return self._one(self.resolver.results())

    def again(self, like: Any) -> Any | None:
        """Return the stream that took the place of another one; ``None`` where there is none yet.

        Raises:
            UserError: there are two.
        """
        found = self._wait(AGAIN_S)
        same = [info for info in found if _whose(info) == _whose(like)]
        return self._one(same or found) if found else None

    def _wait(self, wait_s: float) -> list[Any]:
        until = time.monotonic() + wait_s
        while not (found := self.resolver.results()) and time.monotonic() < until:
            time.sleep(0.02)
        return list(found)

    def _one(self, found: list[Any]) -> Any:
        """Return the one stream that is there; of one that began anew the last.

        One that has ended is listed for a while. A stream that began anew has the source_id and the host that it had.
        """
        newest: dict[tuple[str, str], Any] = {}
        for info in sorted(found, key=lambda info: float(info.created_at())):
            newest[_whose(info)] = info
        streams = list(newest.values())
        alive = [info for info in streams if self._answers(info)] if len(streams) > 1 else streams
        if len(alive) > 1:
            raise UserError(_question(self.asked, alive))
        return alive[0] if alive else streams[-1]

    def _answers(self, info: Any) -> bool:
        inlet = self.pylsl.StreamInlet(info, recover=False)
        try:
            inlet.open_stream(timeout=AGAIN_S)
        except (self.pylsl.util.LostError, self.pylsl.util.TimeoutError):
            return False
        finally:
            inlet.close_stream()
        return True


def _whose(info: Any) -> tuple[str, str]:
    """Return by what a stream is told from others: its source_id and host; without a source_id itself alone."""
    return (info.source_id() or info.uid(), info.hostname())


def _question(asked: Asked, alive: list[Any]) -> str:
    """Ask which of several streams is meant."""
    infos = sorted(alive, key=lambda info: (str(info.name()), str(info.source_id()), str(info.hostname())))
    listed = "; ".join(
        f"{_described(info)}, source_id {info.source_id() or '(none)'}, on {info.hostname()}" for info in infos
    )
    ways = [way(asked.text, info, infos) for info in infos]
    do = f"write {' or '.join(ways)}" if all(ways) else "give them different names or source_ids, and ask for one"
    return f"{len(infos)} streams of LSL have {asked}: {listed}; {do}"


def way(text: str, info: Any, all_of_them: list[Any]) -> str:
    """Return what to write for one of several streams; empty where nothing tells them apart.

    Args:
        text: what all of them fit, without ``lsl:``.
        info: the one that is meant.
        all_of_them: as pylsl found them.
    """
    for key in ("source_id", "hostname", "name"):
        value = str(getattr(info, key)())
        if value and [str(getattr(one, key)()) for one in all_of_them].count(value) == 1:
            return f"lsl:{text},{key}={value}" if key != "name" else f"lsl:{value}"
    return ""


def _described(info: Any) -> str:
    return f"{info.name()} ({info.type()}, {info.channel_count()} channels, {info.nominal_srate():g} Hz)"


def _listed(found: list[Any]) -> str:
    if not found:
        return "are no streams"
    rows = sorted({_described(info) for info in found})
    return ("is " if len(rows) == 1 else "are ") + ", ".join(rows)


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"


def _unit(text: str, whole: str) -> str:
    try:
        return canonical(text, OF_EMG) if text else ""
    except UserError as error:
        raise UserError(f"lsl:{whole}: {error}") from error


def _rate(text: str, whole: str) -> float:
    try:
        rate = float(text or 0)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < float("inf") or (text and not rate):
        raise UserError(f"lsl:{whole}: rate={text}; write samples a second, as rate=500")
    return rate
