"""The real worker process, at the scale of the experiments."""

import os
import sys

from tests.reliability import mutants
from transfers.engine import large, worker

large.CHECKPOINT_BYTES, large.UNSAVED_BYTES = 1 << 20, 2 << 20

if __name__ == "__main__":
    mutants.apply(os.environ["SYNCF_MUTANT"])
    worker.main(sys.argv[1:])
    os._exit(0)
