"""The command line as on a machine with one core: no worker processes, each of which imports everything once more."""

import sys

CODE = "from cpep.runtime import jobs; jobs.cores = lambda: 1; from cpep.cli.main import run; run()"
CPEP = (sys.executable, "-c", CODE)
