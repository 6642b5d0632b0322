"""`heron`, the command line: the front door. One file per verb; nobody imports this room.

A verb's module is imported only when that verb runs, and each imports only what it needs, so `heron --help` is quick.
Results go to stdout, everything else to stderr.
"""
