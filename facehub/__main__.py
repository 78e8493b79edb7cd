"""`python -m facehub`: the same as the `facehub` command."""

import sys

from facehub.cli.main import main

sys.exit(main())
