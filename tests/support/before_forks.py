"""Imported last by the process that forks commands: what it has imported is shared with them for good.

The garbage collector of a command would look at all of it, and write to each page of memory that has some: 0.1 s of CPU.
"""

import gc

gc.collect()
gc.freeze()
