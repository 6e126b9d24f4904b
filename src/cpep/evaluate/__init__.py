"""Scores of frozen vectors, and protocols of evaluation: from arrays to results, without models, stores or paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpep.runtime.lazy import exported

if TYPE_CHECKING:
    from cpep.evaluate.features import classical_features as classical_features
    from cpep.evaluate.knn import knn_vote as knn_vote
    from cpep.evaluate.linear import CcaToPose as CcaToPose
    from cpep.evaluate.linear import RidgeToPose as RidgeToPose
    from cpep.evaluate.metrics import Answers as Answers
    from cpep.evaluate.metrics import Score as Score
    from cpep.evaluate.metrics import balanced_accuracy as balanced_accuracy
    from cpep.evaluate.metrics import cluster_bootstrap as cluster_bootstrap
    from cpep.evaluate.metrics import confusion_matrix as confusion_matrix
    from cpep.evaluate.metrics import score as score
    from cpep.evaluate.paired import Difference as Difference
    from cpep.evaluate.paired import paired_bootstrap as paired_bootstrap
    from cpep.evaluate.pose_errors import PoseError as PoseError
    from cpep.evaluate.pose_errors import pose_error as pose_error
    from cpep.evaluate.probe import Lda as Lda
    from cpep.evaluate.probe import LinearProbe as LinearProbe
    from cpep.evaluate.probe import choose_probe as choose_probe
else:
    __all__, __getattr__, __dir__ = exported(
        __name__,
        {
            "cpep.evaluate.features": "classical_features",
            "cpep.evaluate.knn": "knn_vote",
            "cpep.evaluate.linear": "CcaToPose RidgeToPose",
            "cpep.evaluate.metrics": "Answers Score balanced_accuracy cluster_bootstrap confusion_matrix score",
            "cpep.evaluate.paired": "Difference paired_bootstrap",
            "cpep.evaluate.pose_errors": "PoseError pose_error",
            "cpep.evaluate.probe": "Lda LinearProbe choose_probe",
        },
    )
