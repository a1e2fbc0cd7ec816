"""IDX files, the format of MNIST: one array in each file, gzipped or not."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np

from deltarule.data.arrays import Arrays
from deltarule.data.file_bytes import read_bytes
from deltarule.errors import DataError

# Third byte of the file -> element type, big-endian as on disk.
ELEMENT_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAXIMUM_AXES = 32
# Every writer uses far fewer axes; the bound keeps text that begins with zero bytes from passing for IDX.
_NAME = re.compile(r"(images?|labels?)", re.IGNORECASE)


def is_idx(content: bytes) -> bool:
    """Whether the bytes begin as an IDX file does: two zero bytes, a known type, a number of axes."""
    return (
        len(content) >= 4
        and content[:2] == b"\0\0"
        and content[2] in ELEMENT_TYPES
        and 0 < content[3] <= MAXIMUM_AXES
    )


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file into an array of the machine's own byte order.

    The file is: two zero bytes, one byte for the element type, one for the number of axes, each axis as
    a big-endian 32-bit number, then the elements, big-endian, last axis fastest.

    Raises DataError naming the file and the byte for a wrong magic number, an unknown element type, and
    fewer or more bytes than the axes say.
    Source: LeCun, Cortes & Burges, The MNIST Database of Handwritten Digits, "File formats".

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels-idx1-ubyte")
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
        ...     print(read_idx(path))
        [5 0 4]
    """
    return parse_idx(read_bytes(path), str(path))


def parse_idx(content: bytes, who: str) -> np.ndarray:
    """The array in the bytes of an uncompressed IDX file; errors as in read_idx."""
    if len(content) < 4:
        raise DataError(
            who,
            f"byte {len(content)}: expected 4 bytes of magic number, the file ends",
            "Copy the file again.",
        )
    if content[:2] != b"\0\0":
        raise DataError(
            who, f"byte 0: expected two zero bytes, got {content[:2].hex(' ')}", "The file is no IDX file."
        )
    if content[2] not in ELEMENT_TYPES:
        known = ", ".join(f"{code:02x}" for code in ELEMENT_TYPES)
        raise DataError(
            who,
            f"byte 2: expected an element type among {known}, got {content[2]:02x}",
            "The file is no IDX file.",
        )
    axes = content[3]
    if not 1 <= axes <= MAXIMUM_AXES:
        raise DataError(
            who,
            f"byte 3: expected 1 to {MAXIMUM_AXES} axes, got {axes}",
            "The file is damaged or no IDX file.",
        )
    start = 4 + 4 * axes
    if len(content) < start:
        raise DataError(
            who,
            f"byte {len(content)}: expected the sizes of {axes} axes up to byte {start}, the file ends",
            "Copy the file again.",
        )
    shape = struct.unpack(f">{axes}I", content[4:start])
    element = np.dtype(ELEMENT_TYPES[content[2]])
    end = start + math.prod(shape) * element.itemsize
    if len(content) != end:
        trouble = "the file ends there" if len(content) < end else "further bytes follow"
        offset = min(len(content), end)
        raise DataError(
            who,
            f"byte {offset}: shape {shape} of {element.name} expects {end} bytes, got {len(content)}: "
            f"{trouble}",
            "The file is truncated: copy it again." if len(content) < end else "The file is damaged.",
        )
    array = np.frombuffer(content, dtype=element, offset=start)
    try:
        array = array.reshape(shape)
    except ValueError as error:  # sizes such as (0, 2**32 - 1, 2**32 - 1) hold no element but overflow
        raise DataError(
            who, f"byte 4: shape {shape} is not possible ({error})", "The file is damaged."
        ) from None
    return array.astype(element.newbyteorder("="))


def read_idx_pair(images_path: str | Path) -> Arrays:
    """Read a file of images and, where it lies beside it, the file of their labels.

    The labels' name is that of the images with "labels" and "idx1" in the places of "images" and "idx3".

    Raises DataError if there are not as many labels as images.
    """
    images_path = Path(images_path)
    images = read_idx(images_path)
    name = re.sub(r"images", "labels", images_path.name, flags=re.IGNORECASE)
    name = re.sub(r"idx\d", "idx1", name, flags=re.IGNORECASE)
    candidates = [name, name + ".gz", name.removesuffix(".gz")]
    for candidate in candidates:
        labels_path = images_path.with_name(candidate)
        if candidate != images_path.name and labels_path.is_file():
            return Arrays(images, _labels(labels_path, images, images_path))
    return Arrays(images, None)


def read_idx_folder(folder: str | Path) -> Arrays:
    """Read a folder of IDX files as MNIST ships them, with its own test part.

    Files whose names hold "images" and "labels" belong together: those with "t10k" or "test" are the test
    part, the others the training part. "train-images-idx3-ubyte", "train-images.idx3-ubyte" and either of
    them with ".gz" are all understood; an uncompressed file goes before its gzipped copy.

    Raises DataError if training images or labels are missing, if several files claim the same place, or if
    there are not as many labels as images.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     images = Path(folder, "train-images")
        ...     _ = images.write_bytes(b"\\0\\0\\x08\\2" + b"\\0\\0\\0\\2" * 2 + b"ink!")
        ...     _ = Path(folder, "train-labels").write_bytes(b"\\0\\0\\x08\\1" + b"\\0\\0\\0\\2" + b"\\0\\1")
        ...     arrays = read_idx_folder(folder)
        >>> arrays.inputs.shape, arrays.targets.tolist(), arrays.test_inputs
        ((2, 2), [0, 1], None)
    """
    folder = Path(folder)
    found: dict[tuple[str, str], list[Path]] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            str(folder), f"cannot be read: {error.strerror or error}", "Check the path and its permissions."
        ) from None
    for path in paths:
        match = _NAME.search(path.name)
        if match is None or not path.is_file() or path.name.startswith("."):
            continue
        part = "test" if re.search(r"t10k|test", path.name, re.IGNORECASE) else "train"
        found.setdefault((part, match.group().lower().rstrip("s") + "s"), []).append(path)
    chosen = {place: _choose(paths, folder, place) for place, paths in found.items()}
    for kind in ("images", "labels"):
        if ("train", kind) not in chosen:
            raise DataError(
                str(folder),
                f"expected a file of training {kind} such as "
                f"train-{kind}-idx{3 if kind == 'images' else 1}-ubyte.gz, got {_listing(folder)}",
                "Give the folder that holds the IDX files, or the path of a single file.",
            )
    train = read_idx(chosen["train", "images"])
    train_labels = _labels(chosen["train", "labels"], train, chosen["train", "images"])
    test = test_labels = None
    if ("test", "images") in chosen or ("test", "labels") in chosen:
        for kind in ("images", "labels"):
            if ("test", kind) not in chosen:
                raise DataError(
                    str(folder),
                    f"expected test {kind} beside the other test file, got none",
                    "Add or remove both.",
                )
        test = read_idx(chosen["test", "images"])
        test_labels = _labels(chosen["test", "labels"], test, chosen["test", "images"])
        if test.shape[1:] != train.shape[1:]:
            raise DataError(
                str(chosen["test", "images"]),
                f"expected images of shape {train.shape[1:]} as in training, got {test.shape[1:]}",
                "The two parts belong to different data sets.",
            )
    return Arrays(train, train_labels, test, test_labels)


def _choose(paths: list[Path], folder: Path, place: tuple[str, str]) -> Path:
    plain = {path.name.lower().removesuffix(".gz"): path for path in reversed(paths)}
    if len(plain) > 1:
        raise DataError(
            str(folder),
            f"expected one file of {' '.join(place)}, got {', '.join(path.name for path in paths)}",
            "Move the others away, or give the path of the images.",
        )
    return next(iter(plain.values()))


def _labels(path: Path, images: np.ndarray, images_path: Path) -> np.ndarray:
    labels = read_idx(path)
    if labels.ndim != 1 or len(labels) != len(images):
        raise DataError(
            str(path),
            f"byte 4: expected {len(images)} labels for the images of {images_path.name}, got shape "
            f"{labels.shape}",
            "The two files belong to different data sets.",
        )
    return labels


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
