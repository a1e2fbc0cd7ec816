"""Charts as SVG, in light and dark: lines, bars, heat maps."""
