"""What scikit-learn asks of a classifier, without scikit-learn: importing it takes longer than opening a book."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cpep.types import StrArray, UserError

if TYPE_CHECKING:
    from sklearn.utils import Tags


class AsClassifier:
    """A classifier for ``clone``, ``cross_val_score`` and the searches of scikit-learn."""

    _SETTINGS: tuple[str, ...] = ()
    """Names of the constructor's arguments, which are attributes too."""
    _estimator_type = "classifier"  # for scikit-learn before 1.6

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {name: getattr(self, name) for name in self._SETTINGS}

    def set_params(self, **settings: Any) -> AsClassifier:
        """Change arguments of the constructor, and return itself.

        Raises:
            UserError: there is no such argument.
        """
        for name, value in settings.items():
            if name not in self._SETTINGS:
                raise UserError(f"{type(self).__name__} has no setting {name}; it has {', '.join(self._SETTINGS)}")
            setattr(self, name, value)
        return self

    def predict(self, x_ND: Any) -> StrArray:
        """Return the name of each row."""
        raise NotImplementedError

    def score(self, x_ND: Any, y_N: Any) -> float:
        """Return the share of rows whose name is right."""
        return float(np.mean(self.predict(x_ND) == np.asarray(y_N, dtype=np.str_)))

    def __sklearn_tags__(self) -> Tags:
        """Say that this is a classifier."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags("classifier", TargetTags(required=True), classifier_tags=ClassifierTags(), input_tags=InputTags())
