"""Poses from a webcam, through MediaPipe's hand landmarker."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from threading import Event
from typing import Any

import numpy as np

from cpep.hand.inverse import SIDES
from cpep.hand.joints import JOINTS
from cpep.live.poses.columns import Landmarks
from cpep.live.poses.landmarker import Landmarker, model_file
from cpep.live.poses.source import POSES, PoseFrame, PoseKind
from cpep.live.sources.reconnect import PAUSE_S
from cpep.types import UserError

ONLY_OTHER = 300
"""After so many images with a hand of the other side and none of this one, the person is told."""
YES, NO = ("yes", "true", "1"), ("no", "false", "0", "")


class CameraPose:
    """A camera that looks at a hand; it may be unplugged and come back.

    The stamp of a frame is the time at which the image came from the camera, which is some hundredths of a second
    after it was taken: a recording's lag of EMG and pose tells how many.

    Args:
        number: of the camera, from 0.
        landmarker: finds hands in its images.
        side: of the hand.
        mirrored: whether the camera delivers mirror images, as some drivers of selfie cameras do.

    Raises:
        UserError: no such camera, or OpenCV is missing.
    """

    anchor_names: tuple[str, ...] = JOINTS
    unit = "rad"

    def __init__(self, number: int, landmarker: Landmarker, side: str, mirrored: bool) -> None:
        self.name = f"camera:{number}"
        self._cv2, self._number, self._landmarker = _cv2(), number, landmarker
        self._side, self._mirrored, self._closed = side, mirrored, Event()
        other = SIDES[1 - SIDES.index(side)]
        self._remedy = (
            f"write {self.name},side={other} where it is the {other} hand, or "
            f"{self.name},mirrored={'no' if mirrored else 'yes'} where the camera's image is "
            f"{'not ' if mirrored else ''}a mirror image"
        )
        self._landmarks = Landmarks(self.name, side, self._remedy)
        self._images = self._only_other = 0
        self._camera = self._cv2.VideoCapture(number)
        if not self._camera.isOpened():
            self.close()
            self._drop()
            raise UserError(f"{self.name} does not open; see that it is plugged in, and that no other program has it")
        rate = float(self._camera.get(self._cv2.CAP_PROP_FPS))
        self.rate = rate if 0 < rate < 1000 else 0.0

    def frames(self) -> Iterator[PoseFrame]:
        """Yield a frame for each image; without a pose where the hand is not seen, or the camera is away.

        Raises:
            UserError: it sees the other hand, or mirror images.
        """
        try:
            while not self._closed.is_set():
                seen, image = self._camera.read()
                stamp_s = time.monotonic()
                if seen:
                    yield self._frame(image, stamp_s)
                else:
                    yield PoseFrame(stamp_s, None)
                    self._closed.wait(PAUSE_S)
                    self._camera.release()
                    self._camera = self._cv2.VideoCapture(self._number)
        finally:
            self._drop()

    def close(self) -> None:
        """End ``frames``, which lets go of the camera."""
        self._closed.set()

    def _frame(self, image: Any, stamp_s: float) -> PoseFrame:
        seen = image[:, ::-1] if self._mirrored else image
        point_PC, other = self._landmarker.find(np.ascontiguousarray(seen[:, :, ::-1]), stamp_s)  # OpenCV: blue first
        mine = bool(np.isfinite(point_PC).all())
        self._only_other = 0 if mine else self._only_other + other
        self._images += mine
        if self._only_other >= ONLY_OTHER and not self._images:
            raise UserError(f"{self.name} sees no {self._side} hand, but another one; {self._remedy}")
        return PoseFrame(stamp_s, self._landmarks.poses(point_PC.reshape(1, -1))[0])

    def _drop(self) -> None:
        self._camera.release()
        self._landmarker.close()


def _open(what: str, options: Mapping[str, str], side: str) -> CameraPose:
    mirrored = options.get("mirrored", "").lower()
    if mirrored not in YES + NO:
        raise UserError(f"camera,mirrored={mirrored}: write yes or no")
    if what and not what.isdecimal():
        raise UserError(f"camera:{what}: write the number of the camera, as camera:1, or camera for the first")
    landmarker = Landmarker(model_file(options.get("model", "")), side)
    return CameraPose(int(what or 0), landmarker, side, mirrored in YES)


def _cv2() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise UserError('a camera needs OpenCV; install it with pip install "cpep[camera]"') from error
    return cv2


POSES.add(
    "camera",
    PoseKind(
        ("camera", "camera:1", "camera,model=PATH,mirrored=yes"), _open, ("side", "model", "mirrored"), bare=True
    ),
)
