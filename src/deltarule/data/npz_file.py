"""NumPy npz files: a zip archive of arrays. Pickled objects are never loaded: they can run any code."""

from __future__ import annotations

import io
import lzma
import math
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from deltarule.data.arrays import Arrays
from deltarule.data.file_bytes import read_bytes
from deltarule.errors import DataError

# Names of inputs and targets, in the order in which they are looked for.
PAIRS = (("x", "y"), ("inputs", "targets"), ("images", "labels"), ("data", "target"), ("data", "labels"))
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    IndexError,
    KeyError,
)


def read_npz(path: str | Path) -> Arrays:
    """Read inputs and targets from an npz file, with its own test part where it has one.

    The arrays are found by name: x_train, y_train, x_test, y_test, or x and y, or inputs and targets,
    images and labels, data and target; capitals do not matter. Inputs without targets are allowed.

    Raises DataError for a damaged archive, for arrays of Python objects, for names that are not known
    and for inputs and targets of different lengths.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "data.npz")
        ...     np.savez(path, x=np.zeros((3, 2)), y=np.array([0, 1, 1]))
        ...     arrays = read_npz(path)
        >>> arrays.inputs.shape, arrays.targets.tolist()
        ((3, 2), [0, 1, 1])
    """
    arrays = read_npz_arrays(path)
    who = str(path)
    by_name = {name.lower(): array for name, array in arrays.items()}
    for inputs_name, targets_name in PAIRS:
        for train_suffix, test_suffix in (("_train", "_test"), ("", "_test")):
            inputs = by_name.get(inputs_name + train_suffix)
            if inputs is None:
                continue
            found = Arrays(
                inputs,
                by_name.get(targets_name + train_suffix),
                by_name.get(inputs_name + test_suffix),
                by_name.get(targets_name + test_suffix),
            )
            if found.targets is None and (inputs_name, targets_name) == ("data", "target"):
                found = found._replace(
                    targets=by_name.get("labels" + train_suffix),
                    test_targets=by_name.get("labels" + test_suffix),
                )
            _check_lengths(found, inputs_name, who)
            return found
    raise DataError(
        who,
        f"expected arrays named x and y, x_train, y_train, x_test and y_test, inputs and targets, images and "
        f"labels or data and target, got {', '.join(arrays) or 'none'}",
        "Save them again with np.savez(path, x=inputs, y=targets).",
    )


def _check_lengths(arrays: Arrays, name: str, who: str) -> None:
    for part, inputs, targets in (
        ("", arrays.inputs, arrays.targets),
        ("test ", arrays.test_inputs, arrays.test_targets),
    ):
        if inputs is None and targets is None:
            continue
        if inputs is None or (part and targets is None):
            raise DataError(who, f"the {part}part has inputs or targets, but not both", "Save both, or none.")
        if inputs.ndim == 0 or (targets is not None and (targets.ndim == 0 or len(targets) != len(inputs))):
            raise DataError(
                who,
                f"expected a target for each row of {part}{name}, got shapes {inputs.shape} and "
                f"{None if targets is None else targets.shape}",
                "Save inputs and targets of the same length.",
            )


def read_npz_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read every array of an npz file by its name.

    Raises DataError naming file and array for a damaged archive or array, and for arrays of Python objects.
    """
    content = read_bytes(path)
    who = str(path)
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                if member.endswith(".npy"):
                    arrays[member.removesuffix(".npy")] = _parse_npy(
                        archive.read(member), f"{who}: array {member!r}"
                    )
    except DataError:
        raise
    except _ZIP_ERRORS as error:
        raise DataError(
            who,
            f"damaged npz archive of {len(content)} bytes ({error})",
            "Copy the file again, or save it again.",
        ) from None
    return arrays


def _parse_npy(content: bytes, who: str) -> np.ndarray:
    """The array in the bytes of an npy file.

    NumPy's own reader would reserve the memory that the header asks for before it looks at the size.
    """
    stream = io.BytesIO(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # about headers of Python 2 and odd types, which are dealt with here
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
                (3, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, element = read_header(stream)
    # The header is a Python literal: damaged ones raise nearly anything, tokenizer errors included.
    except Exception as error:
        raise DataError(
            who,
            f"byte {stream.tell()}: damaged npy header ({type(error).__name__}: {error})",
            "Save the file again.",
        ) from None
    if element.hasobject:
        raise DataError(
            who,
            "holds Python objects, which are stored as a pickle; a pickle can run any code, so it is refused",
            "Save plain arrays of numbers or text.",
        )
    start = stream.tell()
    expected = math.prod(shape) * element.itemsize
    if min(shape, default=0) < 0 or element.itemsize == 0 or len(content) - start != expected:
        raise DataError(
            who,
            f"byte {start}: shape {shape} of {element} expects {expected} bytes of data, got "
            f"{len(content) - start}",
            "The file is truncated or damaged: copy it again.",
        )
    try:
        array = np.frombuffer(content, dtype=element, offset=start, count=math.prod(shape))
        array = array.reshape(shape, order="F" if fortran_order else "C")
        return array.astype(element.newbyteorder("="), order="C")
    except (ValueError, TypeError) as error:
        raise DataError(
            who, f"shape {shape} of {element} is not possible ({error})", "Save the file again."
        ) from None
