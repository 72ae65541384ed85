"""cli: the `mysetlist` command, one file a group of commands.

Owns:      the flags, what a command prints, its exit code
Threads:   one event loop a command, ended with it
Never:     imports anything heavy before a command needs it: `mysetlist --help` answers at once
"""
