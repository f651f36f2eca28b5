"""`python -m streamframe`: the command line where the `streamframe` script is not on the path."""

import sys

from streamframe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
