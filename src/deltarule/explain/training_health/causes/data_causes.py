"""Causes in the data: missing numbers, constants, scales, and labels that the inputs do not tell."""

from __future__ import annotations

import math

from deltarule.explain.training_health.causes.course import (
    Course,
    baseline,
    input_rms,
    level,
    takes_inputs_as_they_are,
)
from deltarule.explain.training_health.causes.finding import Finding, Remedy, severity
from deltarule.explain.training_health.vitals import Vitals

# Inputs of this size make sums of a layer ten times as large as its initialisation means them to be.
_LARGE = 10.0
# Inputs that never exceed this are lost beside the biases.
_SMALL = 0.01
# A mean of so many deviations makes the Hessian of a linear unit worse conditioned by the square of it.
_OFFSET = 10.0
# A feature of so many times the usual size decides alone what a unit does.
_DOMINATES = 30.0
# Targets of this size, or so many deviations away from 0, take long to be reached from outputs of about 1.
_FAR = 100.0
_TARGET_OFFSET = 30.0
# Deviations that a statistic has to lie above its mean over random orders of the labels: agreement of
# neighbours; the gradient, whose deviation from few orders is itself uncertain; the largest of many features.
# Of 200 sets of labels in random order two exceeded the last; with true labels one is mostly above 7.
_ALIKE = 4.0
_GRADIENT = 4.5
_OF_MANY = 5.0
# Rows that such a comparison needs, and that it needs before any training has shown what comes of it.
_ROWS = 64
_ROWS_FIRST = 200
# Rows of other classes than the most frequent one: with fewer, no test sees anything.
_OTHERS = 16
# Noise scale from which on the gradients of samples have nothing in common, at the least.
_ALONE = 256
# The most frequent class is so many times as frequent as the least frequent one.
_IMBALANCE = 20.0
_ANY_MEAN_SQUARE = frozenset(("mse_loss", "smooth_l1_loss", "huber_loss", "l1_loss"))


def not_finite(course: Course) -> list[Finding]:
    """NaN or infinity in inputs or targets: one is enough to make every gradient NaN."""
    found = []
    for vitals in course.history:
        for cause, share, remedy in (
            ("inputs_not_finite", vitals.inputs.not_finite, "clean_inputs"),
            ("targets_not_finite", vitals.targets.not_finite, "clean_targets"),
        ):
            if share > 0:
                found.append(Finding(cause, "", 1.0, {"share": share}, Remedy(remedy), vitals.step))
        if found:
            return found
    return []


def constant(course: Course) -> list[Finding]:
    """Inputs or targets that are the same in all rows: there is nothing to be learned."""
    vitals, found = course.first, []
    if vitals.inputs.shape[0] < 8:
        return []
    if vitals.inputs.kind != "tokens" and vitals.inputs.constant == 1.0:
        found.append(Finding("inputs_constant", "", 1.0, {"share": 1.0}, Remedy("check_inputs")))
    targets = vitals.targets
    one_class = len(targets.classes) == 1
    if one_class or (not targets.classes and targets.smallest == targets.largest):
        found.append(
            Finding("targets_constant", "", 1.0, {"value": targets.smallest}, Remedy("check_labels"))
        )
    return found


def input_scale(course: Course) -> list[Finding]:
    """Inputs of another size than 1, far from 0, or with a feature that drowns the others.

    The sums of a layer and the curvature of the loss grow with the square of the inputs: a mean of m
    deviations adds an eigenvalue m² times the others to the Hessian of a linear unit, and the largest
    eigenvalue limits the learning rate for all. Looked at is the root mean square over all features (more
    than 10, or nothing above 0.01), the offset of half of the features (mean above 10 deviations), and one
    feature of more than 30 times the median's size. Whole numbers that go to an embedding and inputs that
    are normalised first are left alone.

    Source: LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, secs. 4.3 and 5.
    """
    vitals = course.first
    if not takes_inputs_as_they_are(vitals) or vitals.inputs.not_finite:
        return []
    inputs = vitals.inputs
    sizes = [math.hypot(mean, std) for mean, std in zip(inputs.means, inputs.stds, strict=True)]
    spread = sorted(size for size, std in zip(sizes, inputs.stds, strict=True) if std > 0)
    if not spread:
        return []
    median, largest = spread[(len(spread) - 1) // 2], max(sizes)
    if len(spread) > 1 and largest > _LARGE and largest > _DOMINATES * median:
        place = sizes.index(largest)
        evidence = {
            "feature": place,
            "std": inputs.stds[place],
            "median_std": median,
            "times": largest / median,
        }
        weight = severity(largest / median, _DOMINATES)
        return [Finding("feature_dominates", "", weight, evidence, Remedy("standardise_inputs"), vitals.step)]
    rms = input_rms(vitals)
    offsets = sorted(abs(mean) / std for mean, std in zip(inputs.means, inputs.stds, strict=True) if std > 0)
    offset = offsets[(len(offsets) - 1) // 2]
    tiny = max(abs(inputs.smallest), abs(inputs.largest)) < _SMALL
    if rms > _LARGE or offset > _OFFSET or tiny:
        beyond = max(rms / _LARGE, offset / _OFFSET, _SMALL / max(rms, 1e-30) if tiny else 0.0)
        evidence = {"mean": inputs.mean, "std": inputs.std, "rms": rms}
        return [
            Finding(
                "inputs_not_standardised",
                "",
                severity(beyond, 1.0),
                evidence,
                Remedy("standardise_inputs"),
                vitals.step,
            )
        ]
    return []


def target_scale(course: Course) -> list[Finding]:
    """Numbers as targets that are far from 0, or so large that outputs of about 1 cannot reach them.

    More than 100 in root mean square, or a mean of 30 deviations and more, in a regression whose loss has
    not fallen well below that of a constant.

    Source: LeCun, Bottou, Orr & Müller 1998, sec. 4.5, on target values within reach of the output.
    """
    vitals, targets = course.first, course.first.targets
    if targets.kind != "numbers" or not _ANY_MEAN_SQUARE & set(vitals.outputs.loss) or targets.std == 0:
        return []
    size = math.hypot(targets.mean, targets.std)
    offset = abs(targets.mean) / targets.std
    if not (size > _FAR or (offset > _TARGET_OFFSET and size > 1)):
        return []
    constant = baseline(course.last)
    if course.trained and constant is not None and level(course.last) < 0.5 * constant:
        return []
    evidence = {"mean": targets.mean, "std": targets.std, "loss": vitals.loss}
    return [
        Finding(
            "targets_not_standardised",
            "",
            severity(max(size / _FAR, offset / _TARGET_OFFSET), 1.0),
            evidence,
            Remedy("standardise_targets"),
            vitals.step,
        )
    ]


def labels(course: Course) -> list[Finding]:
    """Labels that have nothing to do with the inputs: no better than the same labels in random order.

    Four permutation tests, and all must see nothing at the first measurement: the squared gradient of the
    last layer with the true labels; the agreement of each row with its nearest other row; the share of
    variance that the best single feature explains, and that of all of them; each within 4 to 5 deviations
    of its mean over random orders. A loss that falls all the same may be that of a rule which no test sees,
    or of a network that learns its samples by heart: it is the latter where at all later measurements the
    gradients of the samples have nothing in common, that is where the noise scale is larger than the probe
    and than 256.

    Not for fewer than 64 rows, 200 before any training, 16 of other classes than the most frequent one.

    Source: Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses, ch. 3; the learning of
    random labels: Zhang, Bengio, Hardt, Recht & Vinyals 2017.
    """
    vitals = course.first
    noise, targets, rows = vitals.noise, vitals.targets, vitals.inputs.shape[0]
    if rows < (_ROWS if course.trained else _ROWS_FIRST):
        return []
    if noise is None or noise.true_labels is None or noise.permuted_labels is None:
        return []
    if targets.neighbours is None and targets.feature is None:
        return []
    if targets.classes and rows * (1 - max(targets.classes.values())) < _OTHERS:
        return []
    if course.falls and not _by_heart(course):
        return []
    tests = _tests(vitals)
    if informative(vitals) or any(map(math.isnan, tests)):
        return []
    evidence = {
        "true": noise.true_labels,
        "permuted": noise.permuted_labels,
        "spread": noise.permuted_spread or 0.0,
        "deviations": max(tests),
    }
    return [Finding("labels_uninformative", "", 0.9, evidence, Remedy("check_labels"), vitals.step)]


def _by_heart(course: Course) -> bool:
    """Whether samples were learned one by one: their gradients never had anything in common."""
    later = [each.noise for each in course.history[1:] if each.finite]
    alone = max(course.first.rows, _ALONE)
    return len(later) > 1 and all(each is not None and each.scale > alone for each in later)


def imbalance(course: Course) -> list[Finding]:
    """Classes of which one is 20 times as frequent as another: the loss hardly sees the rare one.

    Of up to 20 classes, one label for a row; next tokens of a text are unequal by nature.

    Source: He & Garcia 2009, Learning from Imbalanced Data.
    """
    vitals = course.first
    classes = vitals.targets.classes
    if not 2 <= len(classes) <= 20 or len(vitals.outputs.shape) > 2 or vitals.inputs.shape[0] < _ROWS:
        return []
    largest, smallest = max(classes.values()), min(classes.values())
    if largest < _IMBALANCE * smallest:
        return []
    evidence = {"largest": largest, "smallest": smallest, "times": largest / smallest}
    return [
        Finding(
            "class_imbalance",
            "",
            0.5 * severity(largest / smallest, _IMBALANCE),
            evidence,
            Remedy("weigh_classes"),
            vitals.step,
        )
    ]


def _deviations(value: float | None, mean: float | None, deviation: float | None) -> float:
    """How many deviations a statistic lies above its mean by chance; 0 for one that was not measured."""
    if value is None or mean is None or deviation is None:
        return 0.0
    if deviation > 0:
        return (value - mean) / deviation
    return 0.0 if value <= mean else math.inf


def _tests(vitals: Vitals) -> tuple[float, float, float, float]:
    """Deviations above chance: of the neighbours' agreement, the gradient, the best and all features."""
    noise, targets = vitals.noise, vitals.targets
    gradient = (
        0.0 if noise is None else _deviations(noise.true_labels, noise.permuted_labels, noise.permuted_spread)
    )
    return (
        _deviations(targets.neighbours, targets.neighbours_by_chance, targets.neighbours_spread),
        gradient,
        _deviations(targets.feature, targets.feature_by_chance, targets.feature_spread),
        targets.features or 0.0,
    )


def informative(vitals: Vitals) -> bool:
    """Whether one of the tests of `labels` sees that the labels depend on the inputs."""
    alike, gradient, single, together = _tests(vitals)
    return alike > _ALIKE or gradient > _GRADIENT or single > _OF_MANY or together > _ALIKE
