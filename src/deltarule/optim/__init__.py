"""Optimisers: update rules, schedules of the learning rate, and clipping of gradients.

optimizer = dr.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
schedule = dr.optim.CosineWithWarmup(optimizer, warmup_steps=100, total_steps=2000)
for images, labels in loader:
    optimizer.zero_grad()
    dr.cross_entropy(model(images), labels).backward()
    dr.optim.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
"""

from deltarule.optim.adagrad import Adagrad
from deltarule.optim.adam import Adam
from deltarule.optim.adamw import AdamW
from deltarule.optim.clipping import clip_grad_norm_, clip_grad_value_
from deltarule.optim.optimizer import Optimizer
from deltarule.optim.plateau import ReduceLROnPlateau
from deltarule.optim.rmsprop import RMSprop
from deltarule.optim.schedules import (
    CosineAnnealingLR,
    CosineWithWarmup,
    ExponentialLR,
    LinearWarmup,
    MultiStepLR,
    Schedule,
    StepLR,
)
from deltarule.optim.sgd import SGD

__all__ = [
    "Optimizer",
    "SGD",
    "Adagrad",
    "RMSprop",
    "Adam",
    "AdamW",
    "Schedule",
    "StepLR",
    "MultiStepLR",
    "ExponentialLR",
    "CosineAnnealingLR",
    "LinearWarmup",
    "CosineWithWarmup",
    "ReduceLROnPlateau",
    "clip_grad_value_",
    "clip_grad_norm_",
]
