"""`python -m netsim`: see netsim.cli."""

import sys

from netsim.cli import main

sys.exit(main())
