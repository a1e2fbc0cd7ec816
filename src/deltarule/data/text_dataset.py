"""A text as a Dataset: cut into parts, characters numbered by the training part's vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

from deltarule.data.dataset import Dataset, Part
from deltarule.data.file_bytes import fingerprint
from deltarule.data.randomness import check_seed
from deltarule.data.split import VALIDATION_FRACTION, split_contiguous
from deltarule.data.table_preprocessing import check_unknown
from deltarule.data.text_preprocessing import TextPreprocessing
from deltarule.data.vocabulary import REPLACEMENT, Vocabulary
from deltarule.errors import DataError


def from_text(
    text: str,
    *,
    name: str = "text",
    seed: int = 0,
    validation: float | None = None,
    test: float | None = None,
    unknown: str = "replace",
    notes: Sequence[str] = (),
) -> Dataset:
    """Make a Dataset for next-character modelling of a text.

    validation   fraction of the text after the training part; the last tenth if left out
    test         fraction at the very end; none if left out
    unknown      characters of validation and test that training does not have: "replace" adds one
                 replacement symbol to the vocabulary for all of them, "error" raises
    seed         kept in the description; the text is cut in one piece, not shuffled

    Raises DataError if the training part has fewer than 2 characters.

        >>> from_text("hello world, hello").train.inputs.shape
        (15,)
    """
    seed = check_seed(seed, name)
    check_unknown(unknown, name)
    fractions = {
        "validation": VALIDATION_FRACTION if validation is None else validation,
        "test": 0.0 if test is None else test,
    }
    split = split_contiguous(len(text), **fractions, who=name)
    if len(split.train) < 2:
        raise DataError(
            name,
            f"expected at least 2 characters to train on, got {len(split.train)} of {len(text)}",
            "Use validation=0, or a longer text.",
        )
    training_text = text[: len(split.train)]
    vocabulary = Vocabulary.from_text(training_text)
    notes = list(notes)
    strangers = sorted(set(text) - set(vocabulary.symbols))
    if strangers and unknown == "replace":
        vocabulary = Vocabulary.from_text(training_text, REPLACEMENT)
        notes.append(
            f"{len(strangers)} characters outside the training part ({', '.join(map(repr, strangers[:5]))}) "
            "are read as one replacement symbol"
        )
    tokens = vocabulary.encode(text, name)
    train, validated, tested = (Part(tokens[part][:-1], tokens[part][1:], part[:-1]) for part in split)
    return Dataset(
        name=name,
        kind="text",
        inputs=tokens[:-1],
        targets=tokens[1:],
        train=train,
        validation=validated,
        test=tested,
        preprocessing=TextPreprocessing(vocabulary),
        sha256=fingerprint(text.encode("utf-8", "surrogatepass")),
        seed=seed,
        fractions=fractions,
        source=name,
        notes=tuple(notes),
    )
