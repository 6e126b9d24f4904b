"""MediaPipe's hand landmarker: its model file, and the landmarks of one of the hands that it sees."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from cpep.download.http import Remote
from cpep.hand.inverse import POINTS
from cpep.runtime.files import atomic_path, cache_folder
from cpep.types import FloatArray, UserError

MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/hand_landmarker/hand_landmarker/float16/1/hand_landmarker.task"
)
MODEL_SHA256 = "fbc2a30080c3c557093b5ddfc334698132eb341044ccee322ccf8bcf3607cde1"
"""Of version 1, as others publish it (the package mediapipe_vision on pub.dev, for one); Google names no hash."""
MODEL_BYTES = 7_819_105
LICENCE = "Apache-2.0"


def cached_model() -> Path:
    """Return where the fetched model is kept: ``cpep`` in the user's cache folder."""
    return cache_folder() / "hand_landmarker-1.task"


def model_file(named: str = "", url: str = MODEL_URL, sha256: str = MODEL_SHA256) -> Path:
    """Return the model: the user's, or the fetched one, which is fetched where it is not there yet.

    Args:
        named: path of the user's own; empty for the fetched one.
        url: of the model.
        sha256: that it must have; nothing else is kept.

    Raises:
        UserError: no such file, no network, or what came is something else.
    """
    if named:
        if not Path(named).is_file():
            raise UserError(f"camera,model={named}: there is no such file; fetch {MODEL_URL}, and name it")
        return Path(named)
    path = cached_model()
    if not path.exists():
        content = _fetched(url)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise UserError(f"{url} is not the file that cpep knows (SHA-256 {sha256[:12]}…); nothing of it was kept")
        with atomic_path(path, safe=False) as temporary:
            temporary.write_bytes(content)
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise UserError(
            f"{path} is not the file that cpep fetched (SHA-256 {sha256[:12]}…); delete it, and run again"
        )
    return path


def _fetched(url: str) -> bytes:
    try:
        with Remote(url) as remote:
            if remote.size > 10 * MODEL_BYTES:
                raise UserError(f"{url} has {remote.size:,} bytes, where {MODEL_BYTES:,} are expected")
            return remote.read(0, remote.size)
    except UserError as error:
        raise UserError(
            f"the model of the camera is not here and cannot be fetched ({error}); fetch it on another machine, and "
            f"write camera,model=PATH"
        ) from error


class Landmarker:
    """Finds hands in images of a video.

    Args:
        model: the model file.
        side: of the hand that is looked for.

    Raises:
        UserError: MediaPipe is missing, or the file is no such model.
    """

    def __init__(self, model: Path, side: str) -> None:
        self._mediapipe, self._label = _mediapipe(), side.capitalize()
        vision = self._mediapipe.tasks.vision
        options = vision.HandLandmarkerOptions(
            base_options=self._mediapipe.tasks.BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO,
            num_hands=2,
        )
        try:
            self._landmarker = vision.HandLandmarker.create_from_options(options)
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(f"{model} is no hand landmarker of MediaPipe ({error})") from error
        self._last_ms = -1

    def find(self, image: Any, stamp_s: float) -> tuple[FloatArray, bool]:
        """Return the landmarks (21, 3), m, of the surest hand of the side, and whether one of the other side is seen.

        MediaPipe's sides are the person's own where the image is not mirrored (in old versions, where it is).

        Args:
            image: (height, width, 3) of bytes, red first, not mirrored: x to the right, y down.
            stamp_s: when it was taken, s.

        Returns:
            NaN without a hand of the side.
        """
        self._last_ms = max(round(1000 * stamp_s), self._last_ms + 1)  # it refuses a time that does not grow
        wrapped = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=image)
        found = self._landmarker.detect_for_video(wrapped, self._last_ms)
        sides = [hand[0] for hand in found.handedness]
        mine = [n for n, side in enumerate(sides) if side.category_name == self._label]
        other = len(mine) < len(sides)
        if not mine:
            return np.full((POINTS, 3), np.nan), other
        best = max(mine, key=lambda n: sides[n].score)
        return np.array([(point.x, point.y, point.z) for point in found.hand_world_landmarks[best]]), other

    def close(self) -> None:
        """Let go of the model."""
        self._landmarker.close()


def _mediapipe() -> Any:
    try:
        import mediapipe
    except ImportError as error:
        raise UserError('a camera needs MediaPipe; install it with pip install "cpep[camera]"') from error
    return mediapipe
