"""`python -m meetref` is the command `meetref`."""

import sys

from meetref.app.cli import main

sys.exit(main())
