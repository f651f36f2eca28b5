"""``python -m streamframe.testing.sim``."""

from streamframe.testing.sim.command import main

raise SystemExit(main())
