"""Gesture recognition on a stream: sources, embeddings, the gesture book, events.

A source gives chunks of EMG (``open_source``). A checkpoint embeds them (``EmgStream``) and a book names gestures by
their pose (``GestureBook``); or an enrolment names those that a person showed (``Enrolment``, ``Enrolled``,
``FeatureStream``), led by an ``Enroller``. ``Recogniser`` turns either into states and events. A ``Recorder``, led
through a protocol by ``Taking``, keeps a stream on the disk, and ``finish`` adds it to a data set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpep.runtime.lazy import exported

if TYPE_CHECKING:
    from cpep.live.book.adapted import AdaptedBook as AdaptedBook
    from cpep.live.book.book import GestureBook as GestureBook
    from cpep.live.book.build import book_of as book_of
    from cpep.live.demo import demo_paths as demo_paths
    from cpep.live.enrol.enrolled import Enrolled as Enrolled
    from cpep.live.enrol.enroller import Enroller as Enroller
    from cpep.live.enrol.enrolment import Enrolment as Enrolment
    from cpep.live.enrol.enrolment import Take as Take
    from cpep.live.enrol.guide import Plan as Plan
    from cpep.live.enrol.stream import FeatureStream as FeatureStream
    from cpep.live.loop import Loop as Loop
    from cpep.live.loop import Observer as Observer
    from cpep.live.poses.source import PoseFrame as PoseFrame
    from cpep.live.poses.source import PoseSource as PoseSource
    from cpep.live.poses.source import open_pose as open_pose
    from cpep.live.recogniser import Judge as Judge
    from cpep.live.recogniser import Recogniser as Recogniser
    from cpep.live.record.about import About as About
    from cpep.live.record.finish import finish as finish
    from cpep.live.record.protocol import read_protocol as read_protocol
    from cpep.live.record.recorder import Recorder as Recorder
    from cpep.live.record.taking import Taking as Taking
    from cpep.live.record.taking import follower as follower
    from cpep.live.signals import Chunk as Chunk
    from cpep.live.signals import Source as Source
    from cpep.live.signals import State as State
    from cpep.live.signals import StreamStep as StreamStep
    from cpep.live.sources.fit import fitted as fitted
    from cpep.live.sources.registry import open_source as open_source
    from cpep.live.stream import EmgStream as EmgStream
    from cpep.signal.quality import quality as quality
else:
    __all__, __getattr__, __dir__ = exported(
        __name__,
        {
            "cpep.live.book.adapted": "AdaptedBook",
            "cpep.live.book.book": "GestureBook",
            "cpep.live.book.build": "book_of",
            "cpep.live.demo": "demo_paths",
            "cpep.live.enrol.enrolled": "Enrolled",
            "cpep.live.enrol.enroller": "Enroller",
            "cpep.live.enrol.enrolment": "Enrolment Take",
            "cpep.live.enrol.guide": "Plan",
            "cpep.live.enrol.stream": "FeatureStream",
            "cpep.live.loop": "Loop Observer",
            "cpep.live.poses.source": "PoseFrame PoseSource open_pose",
            "cpep.live.recogniser": "Judge Recogniser",
            "cpep.live.record.about": "About",
            "cpep.live.record.finish": "finish",
            "cpep.live.record.protocol": "read_protocol",
            "cpep.live.record.recorder": "Recorder",
            "cpep.live.record.taking": "Taking follower",
            "cpep.live.signals": "Chunk Source State StreamStep",
            "cpep.live.sources.fit": "fitted",
            "cpep.live.sources.registry": "open_source",
            "cpep.live.stream": "EmgStream",
            "cpep.signal.quality": "quality",
        },
    )
