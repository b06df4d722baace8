"""`python -m dreamtext_lib.cli` is `dreamtext`."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
