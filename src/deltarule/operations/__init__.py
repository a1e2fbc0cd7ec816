"""Every operation, one family a file: value, shape rule, gradient and formula side by side."""
