"""From a source, that is the name of a set or the path of a file or folder, to a Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deltarule.data.array_dataset import from_arrays
from deltarule.data.dataset import Dataset
from deltarule.data.registry import NamedSet, find_named
from deltarule.data.source_form import READING, SAID, check_options, existing, find_form, pick, read
from deltarule.data.table import Table
from deltarule.data.table_dataset import from_table
from deltarule.data.target_kind import KINDS, check_kind
from deltarule.data.text_dataset import from_text
from deltarule.data.text_file import Text
from deltarule.errors import ArgumentError, DataError, DTypeError, ShapeError

_SPLITTING = ("seed", "validation", "test")
_NUMBERS = ("standardise", "standardise_targets")
_BUILDING = {
    "csv": ("target", "ignore", "categorical", "missing_indicator", "unknown", *_NUMBERS),
    "text": ("unknown",),
    "idx": ("layout", "scale", *_NUMBERS),
    "npz": ("layout", "scale", *_NUMBERS),
}


def load(
    source: str | Path,
    *,
    kind: str | None = None,
    seed: int | None = None,
    validation: float | None = None,
    test: float | None = None,
    standardise: bool | str | None = None,
    standardise_targets: bool | None = None,
    target: str | int | None = None,
    ignore: Sequence[str | int] | None = None,
    categorical: Sequence[str | int] | None = None,
    missing: Sequence[str] | None = None,
    missing_indicator: bool | None = None,
    unknown: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    layout: str | None = None,
    scale: float | None = None,
    samples: int | None = None,
    noise: float | None = None,
) -> Dataset:
    """Load a data set by name or from a path, split it, and standardise it on its training part.

    source   a name of names(), or a path: a CSV or TSV file, an npz file, an IDX file, a folder of IDX
             files, each of them gzipped or not; any other file is read as text. A name goes before a
             path: write "./digits" for a file of that name

    For all      kind (found from the data if left out), seed (0), validation and test fractions
    For numbers  standardise, standardise_targets; layout and scale for IDX and npz: see from_arrays
    For CSV      target, ignore, categorical, missing_indicator, unknown: see from_table;
                 missing, delimiter, header, encoding: see read_csv. A file without a known suffix is read
                 as CSV if kind is "classification" or "regression", or a target is given
    For text     encoding: see read_text; unknown: see from_text
    For "xor", "spirals" and "sine"   samples and noise

    Raises DataError for a source that does not exist (listing the names and the closest one) and for
    malformed files (naming the line or byte); ArgumentError for an option that the source does not have.

        >>> load("digits", seed=1)
        Dataset('digits', classification, input shape (1, 8, 8), 10 outputs, train 1258, validation 180,
                test 359)
    """
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in {
            "kind": kind, "seed": seed, "validation": validation, "test": test, "standardise": standardise,
            "standardise_targets": standardise_targets, "target": target, "ignore": ignore,
            "categorical": categorical, "missing": missing, "missing_indicator": missing_indicator,
            "unknown": unknown, "delimiter": delimiter, "header": header, "encoding": encoding,
            "layout": layout, "scale": scale, "samples": samples, "noise": noise,
        }.items()
        if value is not None
    }  # fmt: skip
    check_kind(kind, "load", (*KINDS, "text"))
    for name in ("ignore", "categorical", "missing"):
        if isinstance(given.get(name), str):
            given[name] = [given[name]]
    named = find_named(str(source))
    if named is not None:
        dataset = _load_named(named, given)
        return replace(dataset, source=named.name, options=given)
    path = existing(source)
    dataset = _load_path(path, given)
    place = str(path.resolve())
    return replace(dataset, source=place, path=place, options=given)


def load_again(description: dict) -> Dataset:
    """Load the data of a description, and make sure that it is still the same.

    description   what Dataset.description() gave, perhaps after a round trip through JSON

    Raises DataError listing what differs from the description, for example after the file was changed.

        >>> digits = load("digits", validation=0.2)
        >>> len(load_again(digits.description()).validation)
        359
    """
    dataset = load(description["source"], **description["options"])
    differences = dataset.matches(description)
    if differences:
        raise DataError(
            str(description["source"]),
            f"expected the data of the description, but: {'; '.join(differences)}",
            "Bring back the original data, or train anew.",
        )
    return dataset


def _load_named(named: NamedSet, given: dict) -> Dataset:
    building = ("unknown",) if named.kind == "text" else _NUMBERS
    check_options(given, ("kind", *_SPLITTING, *building, *named.options), f"the set {named.name!r}")
    if given.get("kind", named.kind) != named.kind:
        raise ArgumentError(
            "load", f"{named.name!r} is for {named.kind}, got kind={given['kind']!r}", "Leave kind out."
        )
    raw = named.read(**pick(given, named.options))
    building_options = pick(given, (*_SPLITTING, *building))
    if isinstance(raw, str):
        return from_text(raw, name=named.name, **building_options)
    return from_arrays(
        raw.inputs, raw.targets, name=named.name, kind=named.kind, **named.settings, **building_options
    )


def _load_path(path: Path, given: dict) -> Dataset:
    form = find_form(path, given)
    check_options(given, ("kind", *_SPLITTING, *READING[form], *_BUILDING[form]), f"{path} ({SAID[form]})")
    if (given.get("kind") == "text") != (form == "text") and "kind" in given:
        raise ArgumentError(str(path), f"kind={given['kind']!r} does not fit {SAID[form]}", "Leave kind out.")
    raw = read(form, path, given)
    options = pick(given, (*_SPLITTING, *_BUILDING[form]))
    if isinstance(raw, Text):
        return from_text(raw.text, name=path.name, notes=[raw.note] if raw.note else [], **options)
    kind = given.get("kind")
    if isinstance(raw, Table):
        return from_table(raw, name=path.name, kind=kind, **options)
    if raw.targets is None:
        raise DataError(
            str(path),
            "expected inputs and targets, got only inputs",
            "For IDX, put the labels' file beside the images.",
        )
    if kind is None and form == "idx" and raw.targets.dtype.kind in "iu":
        kind = "classification"  # IDX labels of whole numbers are classes, however many there are
    try:
        return from_arrays(
            raw.inputs,
            raw.targets,
            test_inputs=raw.test_inputs,
            test_targets=raw.test_targets,
            name=path.name,
            kind=kind,
            **options,
        )
    except (ShapeError, DTypeError) as error:
        # Shapes and types that come from a file are the file's fault.
        raise DataError(str(path), error.problem, error.fix) from None
