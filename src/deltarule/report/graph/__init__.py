"""Graph: the picture of a computation: ranks, coordinates, the drawing, and the same as text."""
