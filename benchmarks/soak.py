"""The live page for an hour: does it stay as it was while sources and people come and go?

python -m benchmarks.soak [--minutes 60] [--out runs/bench/soak.json]

Two servers run. The first shows an LSL band (real LSL over loopback, 16 channels at 2000 Hz, recognised by the
shipped checkpoint), whose program is killed every minute for ten seconds. The second replays a recording that ends in
the middle of a chunk, and goes on. Three people at a time open the page of each, look for some seconds, and leave:
half of them close it, half of them are cut off. Once in five seconds the memory, the threads and the open files of
both servers are read, and events are counted. After the first tenth (at least two minutes), which is the warm-up, the
next tenth is compared with the last one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from benchmarks.recordings import simulated
from cpep.data.readers.emg2pose import DEVICE, write_recording
from cpep.live.sources.registry import open_source

NAME = "soak"
RUN = "from cpep.cli.main import run; run()"
LSL = """
[multicast]
ResolveScope = machine
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = soak-{pid}
[ports]
IPv6 = disable
[log]
level = -3
"""
THERE_S, AWAY_S = 60.0, 10.0
EVERY_S = 5.0
PEOPLE, LOOKS_S = 3, (3.0, 20.0)
FLAT = 0.05


@dataclass(frozen=True)
class Sample:
    """A server at one moment: seconds since the start, MiB, counts."""

    server: str
    second: float
    mib: float
    threads: int
    files: int
    events: int


def send() -> None:
    """Send the simulated arm as an LSL band until this process ends."""
    import pylsl

    info = pylsl.StreamInfo(NAME, "EMG", DEVICE.channels, DEVICE.emg_rate, "float32", NAME)
    outlet, told = pylsl.StreamOutlet(info), False
    for chunk in open_source("sim").chunks():
        outlet.push_chunk(np.ascontiguousarray(chunk.emg_TC, np.float32))
        if not told:
            print("up", flush=True)
        told = True


def recorded(folder: Path) -> Path:
    """Write a recording of half a minute whose last chunk is a short one."""
    recording = simulated(folder / "raw")
    samples, frames = 61_013, round(30.5 * recording.anchor_rate)
    cut = replace(
        recording,
        emg_TC=recording.emg_TC[:samples],
        label_T=recording.label_T[:samples],
        anchor_SJ=recording.anchor_SJ[:frames],
        valid_S=recording.valid_S[:frames],
        prompt_T=None,
        repetition_T=None,
    )
    write_recording(folder / "replayed.hdf5", cut, start=0.0, simulated=True)
    return folder / "replayed.hdf5"


class Person:
    """Opens the page, looks at it for a while, and leaves; again and again.

    Args:
        address: of the page.
        over: set when all is over.
    """

    def __init__(self, address: str, over: threading.Event) -> None:
        self.address, self.over, self.visits, self.faults = address, over, 0, list[str]()
        self._random = random.Random(id(self))

    def run(self) -> None:
        """Come and go until all is over."""
        while not self.over.is_set():
            try:
                self._visit()
                self.visits += 1
            except (httpx.HTTPError, OSError, ConnectionClosed, TimeoutError) as error:
                if not self.over.is_set():
                    self.faults.append(f"{type(error).__name__}: {error}"[:200])
                    self.over.wait(1)

    def _visit(self) -> None:
        with httpx.Client(base_url=self.address, timeout=20) as browser:
            page = browser.get("/")
            page.raise_for_status()
            name = re.search(r"'client_id': '([^']+)'", page.text)[1]
            query = f"client_id={name}&tab_id={name}&document_id={name}&next_message_id=0&implicit_handshake=true"
            socket = f"{self.address.replace('http', 'ws')}_nicegui_ws/socket.io/?EIO=4&transport=websocket&{query}"
            with connect(socket) as channel:
                channel.send("40")
                column, until = -1, time.monotonic() + self._random.uniform(*LOOKS_S)
                while time.monotonic() < until and not self.over.is_set():
                    column = browser.get(f"/api/view?since={column}&after=-1").raise_for_status().json()["column"]
                    self._listen(channel, 0.1)
                if self._random.random() < 0.5:
                    channel.socket.shutdown(2)  # as where a laptop falls asleep

    def _listen(self, channel: ClientConnection, wait_s: float) -> None:
        """Take what the page says, and answer its pings."""
        with suppress(TimeoutError):
            while True:
                if channel.recv(timeout=wait_s) == "2":
                    channel.send("3")


class Watched:
    """One server: what it weighs, and what it recognises.

    Args:
        name: in the figures.
        pid: of its process.
        address: of its page.
    """

    def __init__(self, name: str, pid: int, address: str) -> None:
        self.name, self.pid, self.address = name, pid, address
        self.after, self.events = -1.0, 0

    def sample(self, second: float) -> Sample:
        """Look at it."""
        new = httpx.get(f"{self.address}api/view?since=-1&after={self.after}", timeout=20).json()["events"]
        self.events += len(new)
        self.after = max([self.after, *(event[0] for event in new)])
        place = Path("/proc") / str(self.pid)
        mib = int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        threads, files = (len(list((place / part).iterdir())) for part in ("task", "fd"))
        return Sample(self.name, round(second, 1), round(mib, 1), threads, files, self.events)


@contextmanager
def ended(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a process, and end it as Ctrl-C does."""
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            start = time.monotonic()
            process.wait(10)
            print(f"{command[-1]}: ended within {time.monotonic() - start:.1f} s of Ctrl-C", flush=True)


def band(stop: threading.Event, environment: dict[str, str]) -> None:
    """Let the band come and go until all is over."""
    while not stop.is_set():
        command = [sys.executable, "-m", "benchmarks.soak", "--send"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as sender:
            sender.stdout.readline()  # it is there now
            stop.wait(THERE_S)
            sender.kill()
        stop.wait(AWAY_S)


def tenths(samples: list[Sample], seconds: float) -> tuple[list[Sample], list[Sample]]:
    """Return the samples of the tenth after the warm-up, and of the last one."""
    part = seconds / 10
    warm = min(max(part, 120.0), seconds / 2)
    first = [one for one in samples if warm <= one.second < warm + part]
    return first, [one for one in samples if one.second >= seconds - part]


def judged(name: str, samples: list[Sample], seconds: float) -> bool:
    """Print whether a server stayed as it was, and tell whether it did."""
    first, last = tenths(samples, seconds)
    flat = True
    for what, unit in (("mib", "MiB"), ("threads", "threads"), ("files", "open files")):
        before, after = (float(np.median([getattr(one, what) for one in part])) for part in (first, last))
        grown = after / before - 1
        flat &= grown <= FLAT
        print(f"{name}: {before:.0f} -> {after:.0f} {unit} ({grown:+.1%})")
    rates = [(part[-1].events - part[0].events) / (part[-1].second - part[0].second) * 60 for part in (first, last)]
    print(f"{name}: {rates[0]:.1f} -> {rates[1]:.1f} events a minute; {'' if flat else 'NOT '}flat within {FLAT:.0%}")
    return flat


def main(minutes: float, out: Path) -> int:
    """Run it; return 0 where all stayed as it was."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder, over = Path(name), threading.Event()
        (folder / "lsl.cfg").write_text(LSL.format(pid=os.getpid()))
        environment = os.environ | {"LSLAPICFG": str(folder / "lsl.cfg"), "OMP_NUM_THREADS": "1"}
        replayed = recorded(folder)
        threads = [threading.Thread(target=band, args=(over, environment))]
        threads[0].start()
        running.callback(over.set)
        servers = []
        for kind, source in (("band", f"lsl:{NAME}"), ("replay", f"replay:{replayed}")):
            command = [
                sys.executable,
                "-c",
                "from cpep.cli.main import run; run()",
                "serve",
                "--no-open",
                "--port",
                "0",
            ]
            place = folder / kind
            place.mkdir()
            process = running.enter_context(ended([*command, "--source", source], place, environment))
            servers.append(Watched(kind, process.pid, told(process)))
        people = [Person(server.address, over) for server in servers for _ in range(PEOPLE)]
        threads += [threading.Thread(target=person.run) for person in people]
        for thread in threads[1:]:
            thread.start()
        samples, start = list[Sample](), time.monotonic()
        while (second := time.monotonic() - start) < 60 * minutes:
            samples += [server.sample(second) for server in servers]
            if len(samples) % 24 == 2:
                print(*samples[-2:], sep="\n", flush=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps([asdict(one) for one in samples]))
            time.sleep(EVERY_S)
        over.set()
        for thread in threads:
            thread.join()
    visits = sum(person.visits for person in people)
    faults = [fault for person in people for fault in person.faults]
    print(f"{minutes:g} minutes, {visits} visits, {len(faults)} that failed {faults[:5]}")
    flat = [judged(one.name, [s for s in samples if s.server == one.name], 60 * minutes) for one in servers]
    return 0 if all(flat) and not faults else 1


def told(process: subprocess.Popen[str]) -> str:
    """Return the address that a server prints."""
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise SystemExit("the server ended before it said where it is")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/soak.json"))
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.send:
        send()
    sys.exit(main(given.minutes, given.out))
