"""Training: the loop, callbacks, metrics, history, run folders, saving and resuming. Prints nothing."""

from deltarule.training.callbacks import Callback, EarlyStopping, Event, LearningRateLog
from deltarule.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from deltarule.training.evaluation import Loader, evaluate, predict
from deltarule.training.history import History
from deltarule.training.interruption import TrainingInterrupted
from deltarule.training.metrics import (
    accuracy,
    confusion_matrix,
    f1,
    higher_is_better,
    mae,
    mse,
    perplexity,
    r2,
    rmse,
    top_k_accuracy,
)
from deltarule.training.progress import Progress
from deltarule.training.run_folder import RunFolder
from deltarule.training.running_metrics import (
    ClassificationMetrics,
    LanguageMetrics,
    Metrics,
    RegressionMetrics,
    metrics_for,
)
from deltarule.training.short_form import fit
from deltarule.training.tasks import TASKS, Task, task_for
from deltarule.training.trainer import Trainer

__all__ = [
    "TASKS",
    "Callback",
    "Checkpoint",
    "ClassificationMetrics",
    "EarlyStopping",
    "Event",
    "History",
    "LanguageMetrics",
    "LearningRateLog",
    "Loader",
    "Metrics",
    "Progress",
    "RegressionMetrics",
    "RunFolder",
    "Task",
    "Trainer",
    "TrainingInterrupted",
    "accuracy",
    "confusion_matrix",
    "evaluate",
    "f1",
    "fit",
    "higher_is_better",
    "mae",
    "metrics_for",
    "mse",
    "perplexity",
    "predict",
    "r2",
    "read_checkpoint",
    "rmse",
    "task_for",
    "top_k_accuracy",
    "write_checkpoint",
]
