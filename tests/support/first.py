"""Imported before everything else by each test process, and by the process that forks commands.

What is imported stays: the garbage collector would look at it again and again, for a sixth of the CPU that imports take. Who has imported
everything turns it on again.
"""

import gc

gc.disable()
