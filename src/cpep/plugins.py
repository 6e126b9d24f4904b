"""What an extension of cpep imports: registries, and what is put into them.

An extension is a module of your own that adds a reader, a data set, a term of the objective, an encoder, an anchor, a
protocol, a row, a stage or a live source to its registry, under a name. The environment variable ``CPEP_PLUGINS``
names the module; the page "Extending cpep" has an example of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpep.runtime.lazy import exported

if TYPE_CHECKING:
    from cpep.checkpoints.kinds import EmgEncoderSpec as EmgEncoderSpec
    from cpep.checkpoints.registry import MODELS as MODELS
    from cpep.checkpoints.registry import ModelSpec as ModelSpec
    from cpep.checkpoints.registry import Parts as Parts
    from cpep.config.rows import ROWS as ROWS
    from cpep.config.rows import Row as Row
    from cpep.data.anchor import ANCHORS as ANCHORS
    from cpep.data.anchor import AnchorKind as AnchorKind
    from cpep.data.readers.hdf5 import open_hdf5 as open_hdf5
    from cpep.data.readers.registry import DATASETS as DATASETS
    from cpep.data.readers.registry import READERS as READERS
    from cpep.data.readers.registry import DataSet as DataSet
    from cpep.data.readers.registry import Found as Found
    from cpep.data.readers.registry import Missing as Missing
    from cpep.data.readers.registry import Reader as Reader
    from cpep.data.readers.registry import SplitTable as SplitTable
    from cpep.data.readers.registry import Terms as Terms
    from cpep.data.recording import Device as Device
    from cpep.data.recording import Recording as Recording
    from cpep.data.recording import Repair as Repair
    from cpep.data.sampler import Batches as Batches
    from cpep.evaluate.protocols.base import EMG as EMG
    from cpep.evaluate.protocols.base import GALLERY as GALLERY
    from cpep.evaluate.protocols.base import PROTOCOLS as PROTOCOLS
    from cpep.evaluate.protocols.base import QUERY as QUERY
    from cpep.evaluate.protocols.base import VECTORS as VECTORS
    from cpep.evaluate.protocols.base import Given as Given
    from cpep.evaluate.protocols.base import Outcome as Outcome
    from cpep.evaluate.protocols.base import Protocol as Protocol
    from cpep.live.poses.columns import Landmarks as Landmarks
    from cpep.live.poses.source import POSES as POSES
    from cpep.live.poses.source import PoseFrame as PoseFrame
    from cpep.live.poses.source import PoseKind as PoseKind
    from cpep.live.poses.source import PoseSource as PoseSource
    from cpep.live.signals import Chunk as Chunk
    from cpep.live.signals import Source as Source
    from cpep.live.sources.reconnect import Connection as Connection
    from cpep.live.sources.reconnect import Lost as Lost
    from cpep.live.sources.reconnect import Reconnecting as Reconnecting
    from cpep.live.sources.registry import SOURCES as SOURCES
    from cpep.live.sources.registry import SourceKind as SourceKind
    from cpep.models.encoder import ENCODERS as ENCODERS
    from cpep.models.encoder import Encoder as Encoder
    from cpep.models.encoder import Sizes as Sizes
    from cpep.models.encoder import TransformerEncoder as TransformerEncoder
    from cpep.models.encoder import take as take
    from cpep.models.losses import info_nce as info_nce
    from cpep.runtime.distributed import part as part
    from cpep.runtime.registry import Registry as Registry
    from cpep.train.rng import part_draws as part_draws
    from cpep.train.stage import STAGES as STAGES
    from cpep.train.stage import Lesson as Lesson
    from cpep.train.stage import Rehearsed as Rehearsed
    from cpep.train.stage import Stage as Stage
    from cpep.train.stage import Trained as Trained
    from cpep.train.task import Task as Task
    from cpep.train.task import augmentation as augmentation
    from cpep.train.task import emg_signals as emg_signals
    from cpep.train.terms.term import TERMS as TERMS
    from cpep.train.terms.term import Batch as Batch
    from cpep.train.terms.term import Known as Known
    from cpep.train.terms.term import Term as Term
    from cpep.train.terms.term import whole as whole
    from cpep.types import UserError as UserError
else:
    __all__, __getattr__, __dir__ = exported(
        __name__,
        {
            "cpep.checkpoints.kinds": "EmgEncoderSpec",
            "cpep.checkpoints.registry": "MODELS ModelSpec Parts",
            "cpep.config.rows": "ROWS Row",
            "cpep.data.anchor": "ANCHORS AnchorKind",
            "cpep.data.readers.hdf5": "open_hdf5",
            "cpep.data.readers.registry": "DATASETS DataSet Found Missing READERS Reader SplitTable Terms",
            "cpep.data.recording": "Device Recording Repair",
            "cpep.data.sampler": "Batches",
            "cpep.evaluate.protocols.base": "EMG GALLERY Given Outcome PROTOCOLS Protocol QUERY VECTORS",
            "cpep.live.poses.columns": "Landmarks",
            "cpep.live.poses.source": "POSES PoseFrame PoseKind PoseSource",
            "cpep.live.signals": "Chunk Source",
            "cpep.live.sources.reconnect": "Connection Lost Reconnecting",
            "cpep.live.sources.registry": "SOURCES SourceKind",
            "cpep.models.encoder": "ENCODERS Encoder Sizes TransformerEncoder take",
            "cpep.models.losses": "info_nce",
            "cpep.runtime.distributed": "part",
            "cpep.runtime.registry": "Registry",
            "cpep.train.rng": "part_draws",
            "cpep.train.stage": "Lesson Rehearsed STAGES Stage Trained",
            "cpep.train.task": "Task augmentation emg_signals",
            "cpep.train.terms.term": "Batch Known TERMS Term whole",
            "cpep.types": "UserError",
        },
    )
