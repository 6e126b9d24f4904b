"""What `cpep serve` takes of a core while one page asks for a view thirty times a second, as a browser does.

The server recognises 16 channels at 2 kHz by the shipped checkpoint and book: of a recording that is replayed, and of
the simulated arm, which is simulated in the same process. Its processor time is that of all its threads, from some
seconds after the page was opened.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
from websockets.sync.client import connect

from benchmarks.measure import Figure, as_users
from benchmarks.streaming import made_emg, write_long

SETTLED_S, SECONDS, RATE, LIMIT = 8.0, 25.0, 30.0, 0.12


def page(address: str, over: threading.Event, views: list[float]) -> None:
    """Open the page and ask for views until it is over; keep when each came."""
    with httpx.Client(base_url=address, timeout=20) as browser:
        name = re.search(r"'client_id': '([^']+)'", browser.get("/").raise_for_status().text)[1]
        query = f"client_id={name}&tab_id={name}&document_id={name}&next_message_id=0&implicit_handshake=true"
        socket = f"{address.replace('http', 'ws')}_nicegui_ws/socket.io/?EIO=4&transport=websocket&{query}"
        with connect(socket) as channel:
            channel.send("40")
            column, after, due = -1, -1.0, time.monotonic()
            while not over.is_set():
                view = browser.get(f"/api/view?since={column}&after={after}").raise_for_status().json()
                column, after = view["column"], max([after, *(event[0] for event in view["events"])])
                views.append(time.monotonic())
                due = max(due + 1 / RATE, time.monotonic() - 1)
                time.sleep(max(due - time.monotonic(), 0))


def processor_of(pid: int) -> float:
    """Return the processor time of a process so far, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share_of(source: str) -> float:
    """Return the share of a core that a server takes."""
    start = [sys.executable, "-m", "cpep", "serve", "--no-open", "--port", "0", "--source", source]
    over, views = threading.Event(), list[float]()
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(start, cwd=folder, env=as_users(), stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
            visitor = threading.Thread(target=page, args=(address, over, views))
            visitor.start()
            time.sleep(SETTLED_S)
            begun, before, seen = time.monotonic(), processor_of(server.pid), len(views)
            time.sleep(SECONDS)
            passed = time.monotonic() - begun
            share = (processor_of(server.pid) - before) / passed
            rate = (len(views) - seen) / passed
            over.set()
            visitor.join()
        finally:
            server.terminate()
    if rate < 0.9 * RATE:
        raise SystemExit(f"the page had {rate:.0f} views a second, not {RATE:.0f}: this machine is too busy")
    return share


def figures() -> list[Figure]:
    """Return the share of a core, beside 12 %, without the simulator and with it."""
    with tempfile.TemporaryDirectory() as name:
        replayed = share_of(f"replay:{write_long(Path(name), made_emg())}")
    simulated = share_of("sim")
    return [
        Figure("cpep serve at 30 views/s, share of a core", replayed, LIMIT, LIMIT / replayed, 1.0, 0.5),
        Figure("the same with the simulator in it", simulated, LIMIT, LIMIT / simulated, 1.0, 0.5),
    ]
