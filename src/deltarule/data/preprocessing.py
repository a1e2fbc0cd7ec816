"""What every preprocessing has in common: it was fitted on a training part and is applied to new data.

The kinds of preprocessing are in array_preprocessing.py, table_preprocessing.py, text_preprocessing.py.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from deltarule.data.targets import TargetEncoding
from deltarule.data.vocabulary import Vocabulary
from deltarule.errors import DataError


class Preprocessing:
    """Turns raw data into the numbers that a network was trained on, with its training part's statistics.

    A run folder keeps to_dict() as JSON; Preprocessing.from_dict gives an equal object back, and
    apply(raw) then does to new data exactly what was done to the training data.

        >>> from deltarule.data import load
        >>> digits = load("digits")
        >>> again = Preprocessing.from_dict(digits.preprocessing.to_dict())
        >>> bool((again.apply(digits.inputs[digits.test.rows]) == digits.test.inputs).all())
        True
    """

    form: ClassVar[str] = ""
    _forms: ClassVar[dict[str, type[Preprocessing]]] = {}

    targets: TargetEncoding | None = None

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        Preprocessing._forms[cls.form] = cls

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features of a table; empty otherwise."""
        return ()

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The characters of a text, else None."""
        return None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of their indices; empty unless classification."""
        return self.targets.class_names if self.targets else ()

    @property
    def outputs(self) -> int:
        """How many numbers a network has to give for each sample."""
        return self.targets.outputs if self.targets else 0

    def apply(self, raw) -> np.ndarray:
        """Raw inputs as a network gets them."""
        raise NotImplementedError

    def apply_targets(self, raw) -> np.ndarray:
        """Raw targets as class indices (rows,) int64 or numbers (rows, outputs) float32.

        Raises DataError for a class that training did not know, or where there are no targets to encode.
        """
        if self.targets is None:
            raise DataError("Preprocessing", "this data has no targets of its own", "Leave the targets out.")
        return self.targets.encode(raw, "Preprocessing")

    def restore_targets(self, predictions) -> np.ndarray:
        """Predictions of a regression in the units of the source; anything else as it is."""
        return self.targets.restore(predictions) if self.targets else np.asarray(predictions)

    def to_dict(self) -> dict:
        """The preprocessing as plain values for JSON."""
        raise NotImplementedError

    @classmethod
    def _from_dict(cls, record: dict) -> Preprocessing:
        raise NotImplementedError

    @staticmethod
    def from_dict(record: dict) -> Preprocessing:
        """The preprocessing that to_dict wrote.

        Raises DataError if the record is not one.
        """
        form = record.get("form") if isinstance(record, dict) else None
        if form not in Preprocessing._forms:
            raise DataError(
                "Preprocessing.from_dict",
                f"expected a record of the form {' or '.join(Preprocessing._forms)}, got {form!r}",
                "Pass what to_dict() gave.",
            )
        try:
            return Preprocessing._forms[form]._from_dict(record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                "Preprocessing.from_dict",
                f"the record of form {form!r} is incomplete or damaged ({type(error).__name__}: {error})",
                "Pass what to_dict() gave.",
            ) from None
