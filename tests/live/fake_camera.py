"""MediaPipe and OpenCV as far as cpep asks them, with hands that a test gives."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Category:
    category_name: str
    score: float = 0.9


@dataclass
class Point:
    x: float
    y: float
    z: float


@dataclass
class Result:
    handedness: list
    hand_world_landmarks: list
    hand_landmarks: list = field(default_factory=list)


class Capture:
    """A camera; image n is n in every pixel, and blue in its first column."""

    images = 10
    opens = True
    flips = False

    def __init__(self, number):
        self.number, self.count, self.released = number, 0, False

    def isOpened(self):
        return type(self).opens

    def get(self, what):
        return 30.0

    def read(self):
        if self.count == self.images:
            self.count = 0
            return False, None
        self.count += 1
        image = np.full((4, 6, 3), self.count % 256, np.uint8)
        image[:, 0] = (255, 0, 0)
        return True, image[:, ::-1] if self.flips else image

    def release(self):
        self.released = True


def install(monkeypatch, hands):
    """Put both modules in place of the real ones.

    Args:
        monkeypatch: of pytest.
        hands: takes the number of the image and returns (side, landmarks (21, 3)) of each hand.

    Returns:
        what the landmarker was asked: images and times.
    """
    asked = []

    class Landmarker:
        @classmethod
        def create_from_options(cls, options):
            if options.base_options.model_asset_path.endswith("bad.task"):
                raise RuntimeError("Unable to open zip archive.")
            return cls()

        def detect_for_video(self, image, timestamp_ms):
            assert not asked or timestamp_ms > asked[-1][1]
            asked.append((image.data, timestamp_ms))
            found = hands(len(asked))
            points = [[Point(*row) for row in point_PC] for _, point_PC in found]
            return Result([[Category(side)] for side, _ in found], points)

        def close(self):
            asked.append("closed")

    @dataclass
    class Options:
        base_options: object
        running_mode: str
        num_hands: int

    mediapipe, cv2 = types.ModuleType("mediapipe"), types.ModuleType("cv2")
    vision = types.SimpleNamespace(
        HandLandmarker=Landmarker, HandLandmarkerOptions=Options, RunningMode=types.SimpleNamespace(VIDEO="video")
    )
    base = lambda model_asset_path: types.SimpleNamespace(model_asset_path=model_asset_path)  # noqa: E731
    mediapipe.tasks = types.SimpleNamespace(vision=vision, BaseOptions=base)
    mediapipe.ImageFormat = types.SimpleNamespace(SRGB="srgb")
    mediapipe.Image = lambda image_format, data: types.SimpleNamespace(data=data)
    camera = type("FakeCapture", (Capture,), {})
    cv2.VideoCapture, cv2.CAP_PROP_FPS = camera, 5
    monkeypatch.setitem(sys.modules, "mediapipe", mediapipe)
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    return asked, camera
