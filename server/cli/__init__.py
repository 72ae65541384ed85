"""cli: the `mysetlist` command. The command `mysetlist X` stands in X.py; `restore` stands beside `backup`.

Owns:      the flags, the printed text, the exit code
Layout:    X.py holds flags and printing; the work of a long command has a file of its own (backup_file, doctor_checks,
           live_board and scoreboard), which X.py imports when the command runs
Threads:   one event loop for each command, closed at its end
Never:     imports a heavy module before a command runs: `mysetlist --help` answers at once
"""
