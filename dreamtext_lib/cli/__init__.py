"""The command line: one file a command, and what they share: flags from recipes, names of files, words for errors.

Nothing here imports torch before a command runs, so that `dreamtext --help` answers at once.
"""

from .main import main

__all__ = ["main"]
