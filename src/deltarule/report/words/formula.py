"""Words inside formulas."""

WORDS = {
    "formula.if": ("if", "若"),
    "formula.otherwise": ("otherwise", "其他情况"),
    "formula.descending": ("descending", "降序"),
    "formula.initial": ("initial", "含初值"),
    "formula.reverse": ("reverse", "反向"),
}
