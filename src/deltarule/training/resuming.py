"""A trainer's state as a checkpoint, and back: what has to be kept so that training goes on bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import ArgumentError
from deltarule.operations.random import get_random_state, set_random_state
from deltarule.training.callbacks import Callback
from deltarule.training.checkpoint import Checkpoint, with_prefix
from deltarule.training.history import History
from deltarule.training.progress import Progress
from deltarule.training.recurrent_state import put_together, taken_apart

if TYPE_CHECKING:
    from deltarule.training.trainer import Trainer


def take_checkpoint(trainer: Trainer) -> Checkpoint:
    """The state of a trainer between two updates.

    arrays   model.*, optimizer.*, carried.* (recurrent state), best.* (best weights, without a run folder)
    values   progress, random state, sums of the epoch's metrics, schedule, callbacks, ...
    """
    state = trainer.optimizer.state_dict()
    slots = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    carried, structure = taken_apart(trainer.carried)
    arrays = {
        **with_prefix("model", trainer.model.state_dict()),
        **with_prefix("optimizer", slots),
        **with_prefix("carried", {str(position): array for position, array in enumerate(carried)}),
        **with_prefix("best", trainer.best_weights or {}),
    }
    values = {
        "progress": asdict(trainer.progress),
        "optimizer": {name: _plain(value) for name, value in state.items() if name not in slots},
        "schedule": None if trainer.schedule is None else trainer.schedule.state_dict(),
        "callbacks": {name: each.state_dict() for name, each in _with_state(trainer.callbacks)},
        "random": get_random_state(),
        "carried": structure,
        "measured": trainer.measured.state_dict(),
        "history_length": len(trainer.history),
        "compiled": trainer.compiled_state(),
        "monitor": trainer.monitor,
    }
    return Checkpoint(arrays, values)


def restore_checkpoint(trainer: Trainer, checkpoint: Checkpoint, history: Iterable[dict[str, Any]]) -> None:
    """Puts a trainer of the same model, optimiser and schedule into the state of a checkpoint.

    history   the records until then; more than the checkpoint knows of are left out

    Raises ArgumentError or ShapeError if it belongs to something else.
    """
    values = checkpoint.values
    if (trainer.schedule is None) != (values["schedule"] is None):
        saved = "none" if values["schedule"] is None else values["schedule"].get("schedule", "one")
        ours = "none" if trainer.schedule is None else type(trainer.schedule).__name__
        raise ArgumentError(
            "Trainer.restore",
            f"schedule of the learning rate: the checkpoint has {saved}, this trainer {ours}",
            "Make the trainer the same way.",
        )
    epochs = values["history_length"]
    records = list(history)[:epochs]
    if len(records) < epochs:
        raise ArgumentError(
            "Trainer.restore",
            f"the checkpoint was taken after {epochs} epochs, the history has {len(records)}",
            "They are of different runs.",
        )
    trainer.model.load_state_dict(checkpoint.part("model"))
    trainer.optimizer.load_state_dict({**values["optimizer"], **checkpoint.part("optimizer")})
    if trainer.schedule is not None:
        trainer.schedule.load_state_dict(values["schedule"])
    for name, callback in _with_state(trainer.callbacks):
        if name in values["callbacks"]:
            callback.load_state_dict(values["callbacks"][name])
    arrays = checkpoint.part("carried")
    trainer.carried = put_together([arrays[str(i)] for i in range(len(arrays))], values["carried"])
    trainer.measured = trainer.new_metrics()
    trainer.measured.load_state_dict(values["measured"])
    trainer.best_weights = checkpoint.part("best") or None
    trainer.load_compiled_state(values.get("compiled", {}))
    trainer.progress = Progress(**values["progress"])
    trainer.history = History(trainer.history.path, records)
    set_random_state(values["random"])


def _with_state(callbacks: Iterable[Callback]) -> Iterator[tuple[str, Callback]]:
    """Callbacks that have a state, named by class and by position among those of their class."""
    counts: dict[str, int] = {}
    for callback in callbacks:
        kind = type(callback).__name__
        counts[kind] = counts.get(kind, 0) + 1
        if type(callback).state_dict is not Callback.state_dict:
            yield f"{kind}.{counts[kind]}", callback


def _plain(value: Any) -> Any:
    """A Python number for a NumPy one."""
    return value.item() if isinstance(value, np.generic) else value
