"""Stands on the PATH of a page as ``cpep``, ``python``, ``pip``, ``make``...: has the host run what was typed.

It is started by the system's Python without any package (15 ms), hands its words, folder, environment and streams
to ``host.py``, and ends with the status that comes back.
"""

# ruff: noqa: PTH109
import json
import os
import socket
import sys

if __name__ == "__main__":  # pytest imports it when it looks for doctests
    with socket.socket(socket.AF_UNIX) as host:
        host.connect(os.environ["DOC_HOST"])
        name = sys.argv[0].rpartition("/")[2]
        asked = {"words": [name, *sys.argv[1:]], "cwd": os.getcwd(), "environ": dict(os.environ)}
        socket.send_fds(host, [len(text := json.dumps(asked).encode()).to_bytes(4, "big")], [0, 1, 2])
        host.sendall(text)
        status = host.recv(1)
    sys.exit(status[0] if status else 1)  # no status: the process that ran it has died
