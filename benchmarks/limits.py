"""What limits the rows that fall short of a target: measured, never guessed. Kept by hand.

(row, target as benchmarks/targets.py names it) -> one or two sentences with the measurement. The page shows
an entry only where its target is missed, and says where one is missing.
"""

LIMITS: dict[tuple[str, str], str] = {}
