"""A small data set as NEMAR has it, and what a part of it must hold."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from cpep.download.plan import TABLE

STAGES = ("FistOpen", "PinchAll", "Wave")
SPLITS = {"train": "none", "val": "user", "test": "user_stage"}
VICTIM = "sub-01/ses-01/emg/sub-01_ses-01_task-emg2pose_run-03_recording-left_emg.bdf"
"""A recording of the set that tests spoil."""


def entry(path: str, body: bytes) -> dict:
    if path.endswith((".bdf", ".edf")):
        number = hashlib.sha256(body).hexdigest()
        return {"key": f"SHA256E-s{len(body)}--{number}.bdf", "size": len(body), "checksum": f"sha256:{number}"}
    number = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
    return {"key": f"git:{number}", "size": len(body), "checksum": f"git:{number}", "bytes_url": "http://x.invalid"}


def tsv(*rows: tuple) -> bytes:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()


def small_set(splits: bool = False, seed: int = 0) -> dict[str, bytes]:
    """Three people with two stages each and a third that only one has; one hand and stage a recording."""
    rng = np.random.default_rng(seed)
    made = {
        "dataset_description.json": json.dumps(
            {"Name": "made up", "BIDSVersion": "1.11.1", "License": "CC-BY-NC-SA-4.0"}
        ).encode(),
        "participants.tsv": tsv(("participant_id", "original_user"), *((f"sub-0{k}", f"user{k}") for k in range(3))),
        "task-emg2pose_emg.json": b'{"SamplingFrequency": 2000.0}',
        ".gitattributes": b"* annex",
        ".datalad/config": b"[datalad]",
        "derivatives/sub-00/emg/sub-00_task-emg2pose_emg.bdf": b"another's",
    }
    for k in range(3):
        top = f"sub-0{k}/ses-01"
        columns = ("filename", "acq_time", "duration", "stage", "side", "source_file")
        lines = [(*columns, "split", "generalization") if splits else columns]
        made[f"{top}/emg/sub-0{k}_ses-01_space-arm_coordsystem.json"] = b'{"EMGCoordinateUnits": "n/a"}'
        made[f"{top}/emg/sub-0{k}_ses-01_electrodes.tsv"] = tsv(("name", "x", "y"), ("e0", k, 1))
        for run, (stage, side) in enumerate(_runs(k), 1):
            name = f"sub-0{k}_ses-01_task-emg2pose_run-{run:02d}_recording-{side}"
            split = tuple(SPLITS)[k]
            length = 30.5 + 10 * run + k
            made[f"{top}/emg/{name}_emg.bdf"] = rng.bytes(150_000 + 9_000 * run)
            said = {"Stage": stage, "HandSide": side, "RecordingDuration": length}
            made[f"{top}/emg/{name}_emg.json"] = json.dumps(said).encode()
            made[f"{top}/emg/{name}_channels.tsv"] = tsv(("name", "type", "units"), ("emg0", "EMG", "V"))
            made[f"{top}/emg/{name}_events.tsv"] = tsv(("onset", "duration", "trial_type"), (0.0, length, stage))
            line = (f"emg/{name}_emg.bdf", "n/a", length, stage, side, f"2022-{k}@{run}_{side}.hdf5")
            lines.append((*line, split, SPLITS[split]) if splits else line)
        made[f"{top}/sub-0{k}_ses-01_scans.tsv"] = tsv(*lines)
    return made


def _runs(k: int) -> list[tuple[str, str]]:
    sides = ("left", "right")
    return [(stage, side) for stage in STAGES[: 3 if k == 1 else 2] for side in sides]


def table(content: dict[str, bytes]) -> bytes:
    """emg2pose's own metadata of what is in a set."""
    lines = [
        "user,session,stage,side,moving_hand,held_out_user,held_out_stage,split,generalization,start,end,filename"
    ]
    for path, body in content.items():
        for row in body.decode().splitlines()[1:] if path.endswith("_scans.tsv") else ():
            _, _, length, stage, side, source, *_ = row.split("\t")
            k = int(path[5])
            split, kind = list(SPLITS.items())[k]
            stem = source.removesuffix(".hdf5")
            lines.append(
                f"user{k},s,{stage}_both,{side},,False,False,{split},{kind},100,{100 + float(length)},{stem}"
            )
    return ("\n".join(lines) + "\n").encode()


OWN = {".nemar.json", ".nemar_manifest.json", "DATA_LICENSE.txt", TABLE}
SET = small_set()
SPLIT_SET = small_set(splits=True)


def here(out):
    """Files of a folder that are the data set's, all of which must be whole."""
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} - OWN


def bdf(paths):
    return {path for path in paths if path.endswith("_emg.bdf")}


def same(out, content):
    return all((out / path).read_bytes() == content[path] for path in here(out))


def wanted(content, users, stages=STAGES):
    """What a part must hold, found in another way than by the program: no entity of another recording in its name."""
    left = set()
    for path in content:
        if "/" not in path:
            left |= {path} - {".gitattributes"}
        elif path.endswith("_scans.tsv") or (path[:6] in users and path.count("_") < 4):
            left.add(path)
        elif path[:6] in users:
            stem = path.rpartition("_")[0]
            stage = json.loads(content[f"{stem}_emg.json"])["Stage"]
            left |= {path} if stage in stages else set()
    return left
