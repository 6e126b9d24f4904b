"""What a server has of emg2pose in the tests of downloading, and what came of it."""

from __future__ import annotations

import io
import tarfile

from cpep.download.fetch import fetch, find_members
from cpep.download.plan import make_plan
from cpep.download.selection import Selection

STAGES = ("FingerFreeform", "GraspPunchCloseFar")


def packed(folder, names, top="emg2pose_data"):
    """A tar of some files of a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            tar.add(folder / name, f"{top}/{name}")
    return out.getvalue()


def part(server, out, **options):
    """Fetch the recordings of one user by the library."""
    plan = make_plan(Selection(("u1",)), out, prefix=server.url, **options)
    find_members(plan, 4)
    return fetch(plan, 4)


def visible(out):
    return sorted(path.name for path in out.glob("*.hdf5"))


def same(out, recordings):
    return all((out / name).read_bytes() == (recordings / name).read_bytes() for name in visible(out))
