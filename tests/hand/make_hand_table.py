"""Write hand.csv anew from MyoHand: ``python -m tests.hand.make_hand_table`` (needs the extra ``sim``)."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import mujoco
import myo_sim
import numpy as np

from cpep.hand.joints import JOINTS

TABLE = Path(__file__).resolve().parents[2] / "src" / "cpep" / "hand" / "hand.csv"
WRIST = "lunate_r"
"""The body that flexion and deviation of the wrist turn, about its origin."""
HEADER = ("landmark", "joint", "column", "source", "x_mm", "y_mm", "z_mm", "axis_x", "axis_y", "axis_z")

FINGERS = {
    "INDEX": (2, "IFtip_r"),
    "MIDDLE": (3, "MFtip_r"),
    "RING": (4, "RFtip_r"),
    "PINKY": (5, "LFtip_r"),
}
CHAINS: tuple[tuple[tuple[str, str, int], ...], ...] = (
    (
        ("THUMB_CMC_FE", "cmc_flexion_r", -1),
        ("THUMB_CMC_AA", "cmc_abduction_r", -1),
        ("THUMB_MCP_FE", "mp_flexion_r", -1),
        ("THUMB_IP_FE", "ip_flexion_r", -1),
        ("THUMB_TIP", "THtip_r", 0),
    ),
    *(
        (
            (f"{finger}_MCP_FE", f"mcp{digit}_flexion_r", 1),
            (f"{finger}_MCP_AA", f"mcp{digit}_abduction_r", 1),
            (f"{finger}_PIP_FE", f"pm{digit}_flexion_r", 1),
            (f"{finger}_DIP_FE", f"md{digit}_flexion_r", 1),
            (f"{finger}_TIP", tip, 0),
        )
        for finger, (digit, tip) in FINGERS.items()
    ),
)
"""Of each finger, from the wrist outwards: name here, name in MyoHand, sign (0: the site of the tip)."""


def load_hand() -> mujoco.MjModel:
    """Return the right hand of MyoHand with the forearm it hangs on."""
    return myo_sim.FRAGMENT_SPEC_BUILDERS["myohand_r"]().compile()


def make_table() -> str:
    """Return the text of hand.csv."""
    model = load_hand()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for chain in CHAINS:
        above, extra = model.body(WRIST).id, np.zeros(3)
        for name, source, sign in chain:
            part = model.joint(source) if sign else model.site(source)
            body = int(part.bodyid.item())
            offset = _between(model, above, body) + part.pos - extra
            above, extra = body, part.pos.copy()
            column, axis = (JOINTS.index(name), [f"{x:z.6f}" for x in sign * part.axis]) if sign else ("", [""] * 3)
            joint, landmark = (name, name.rpartition("_")[0]) if sign else ("", name)
            writer.writerow([landmark, joint, column, source, *(f"{1000 * x:z.4f}" for x in offset), *axis])
    return text.getvalue()


def _between(model: mujoco.MjModel, above: int, body: int) -> np.ndarray:
    """Return the place of a body in one above it; the table relies on parallel frames."""
    offset = np.zeros(3)
    while body != above:
        assert np.array_equal(model.body_quat[body], [1, 0, 0, 0]), "this hand is not flat at zero"
        offset += model.body_pos[body]
        body = model.body_parentid[body]
    return offset


if __name__ == "__main__":
    TABLE.write_text(make_table(), encoding="utf-8")
