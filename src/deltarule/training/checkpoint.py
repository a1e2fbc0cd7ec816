"""A checkpoint: everything that training needs to go on, in one safetensors file that is always consistent.

Arrays are stored under `model.`, `optimizer.`, ... and the rest as JSON in the file's metadata, so other
programs read the weights too. Check sums tell a damaged file from a good one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import RunError
from deltarule.training.atomic_file import write_atomic

FORMAT_VERSION = 1
_LENGTH_BYTES = 8


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training run at one instant.

    arrays   name -> array; names begin with the part they belong to: `model.0.weight`
    values   plain values for JSON: epoch, step, random state, ...

    >>> checkpoint = Checkpoint({"model.weight": np.ones(2)}, {"epoch": 3})
    >>> checkpoint.part("model")
    {'weight': array([1., 1.])}
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of one part, without its prefix."""
        prefix = f"{name}."
        return {key[len(prefix) :]: array for key, array in self.arrays.items() if key.startswith(prefix)}


def with_prefix(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of one part under names that begin with the part's."""
    return {f"{name}.{key}": array for key, array in arrays.items()}


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint file, whole or not at all.

    Raises RunError if it cannot be written; a checkpoint that was there stays.

    >>> from pathlib import Path
    >>> import deltarule as dr
    >>> import numpy as np
    >>> import tempfile
    >>> checkpoint = dr.training.Checkpoint({"model.weight": np.ones(2)}, {"epoch": 3})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "last.safetensors")
    ...     dr.training.write_checkpoint(path, checkpoint)
    ...     dr.training.read_checkpoint(path).values
    {'epoch': 3}
    """
    write_atomic(path, to_bytes(checkpoint))


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The content of a checkpoint file."""
    from safetensors.numpy import save

    # The format stores rows one after the other.
    arrays = {name: np.array(array, order="C", copy=None) for name, array in checkpoint.arrays.items()}
    sums = {name: zlib.crc32(array.tobytes()) for name, array in arrays.items()}
    state = json.dumps({"values": checkpoint.values, "sums": sums})
    metadata = {
        "deltarule_checkpoint": str(FORMAT_VERSION),
        "state": state,
        "state_sum": str(zlib.crc32(state.encode())),
    }
    return save(arrays, metadata)


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint file and verifies its check sums.

    Raises RunError if it is missing, truncated, damaged, no checkpoint, or of another version.

    >>> from pathlib import Path
    >>> import deltarule as dr
    >>> import numpy as np
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "last.safetensors")
    ...     dr.training.write_checkpoint(path, dr.training.Checkpoint({"model.weight": np.ones(2)}))
    ...     dr.training.read_checkpoint(path).part("model")
    {'weight': array([1., 1.])}
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RunError(str(path), "there is no such checkpoint", "Check the path.") from None
    except OSError as error:
        raise RunError(str(path), f"cannot be read ({error.strerror})", "Check the permissions.") from None
    return from_bytes(content, str(path))


def from_bytes(content: bytes, who: str) -> Checkpoint:
    """The checkpoint in the content of a file; `who` names the file in errors."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(content)
        header_length = int.from_bytes(content[:_LENGTH_BYTES], "little")
        header = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + header_length])
    except (SafetensorError, ValueError, KeyError) as error:
        raise _damaged(who, f"it is no complete safetensors file of {len(content)} bytes: {error}") from None
    metadata = header.get("__metadata__", {})
    version = metadata.get("deltarule_checkpoint")
    if version is None:
        raise RunError(
            who,
            "expected a checkpoint, got a safetensors file of another kind",
            "To use weights alone, read them with safetensors and call model.load_state_dict.",
        )
    if version != str(FORMAT_VERSION):
        raise RunError(
            who,
            f"expected a checkpoint of format {FORMAT_VERSION}, got format {version}",
            "It was written by another version of deltarule; use that version.",
        )
    text = metadata.get("state", "")
    if str(zlib.crc32(text.encode())) != metadata.get("state_sum"):
        raise _damaged(who, "the check sum of its values is wrong")
    state = json.loads(text)
    for name, expected in state["sums"].items():
        if name not in arrays or zlib.crc32(arrays[name].tobytes()) != expected:
            raise _damaged(who, f"the check sum of {name} is wrong")
    # Arrays read from bytes are read-only; a checkpoint's arrays may be written on.
    return Checkpoint({name: array.copy() for name, array in arrays.items()}, state["values"])


def _damaged(who: str, reason: str) -> RunError:
    return RunError(who, f"the checkpoint is damaged or truncated ({reason})", "Use another checkpoint.")
