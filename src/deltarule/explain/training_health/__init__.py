"""Why does it not train? Measurements of a training (vitals), their causes, and remedies that are tried.

vitals.py       what is measured at one step, as plain data; each part of it stands beside its measurement
probe.py        measures all of it, and leaves no trace
watch.py        the callback that measures a running training
causes/         rules from measurements to named causes, one family a file
remedy.py       tries what a cause proposes, from the same seed
health.py       all of it together
"""
