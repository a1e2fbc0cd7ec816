"""How each operation's value and gradient become native calls: one family a file, entered in `RULES`."""
