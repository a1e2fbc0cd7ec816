"""The package is loaded before pytest collects one of its files by path: it would load that file twice."""

import deltarule.explain  # noqa: F401
