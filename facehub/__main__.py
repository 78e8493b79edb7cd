"""`python -m facehub`: the same as the `facehub` command."""

import sys

from facehub.cli import main

sys.exit(main())
