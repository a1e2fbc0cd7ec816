"""The command line: arguments, exit codes, progress. The only place that prints.

Nothing here trains, differentiates or reads files by itself: the commands put the library's parts
together. click and rich are loaded here and nowhere else.
"""
