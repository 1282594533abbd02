"""`python -m groundwave` is `groundwave`."""

import sys

from groundwave.cli import main

sys.exit(main())
