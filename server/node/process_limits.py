"""What the system allows this process: open files and threads. Too little is told at the start, in one line."""

from __future__ import annotations

import resource
import sys
import threading

import structlog

from server.errors import SetupError

log = structlog.get_logger()

# Engines, pools, logs and the files of the page; a node that may open no more would hardly serve anybody.
FILES_MIN = 200
# Threads look up addresses, read the files of the page and send mail.
THREADS_NEEDED = 8


def files_max() -> int:
    """How many files this process may open; every connection is one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def check_process_limits(connections_max: int) -> None:
    """Warns when the system allows fewer open files than this node may have connections.

    Raises: SetupError: a node cannot run with so few files or threads
    """
    files = files_max()
    if files < FILES_MIN:
        raise SetupError(
            f"this process may open {files} files and needs {FILES_MIN}; raise the limit with: ulimit -n {connections_max}"
        )
    if files < connections_max + FILES_MIN:
        log.warning(
            "files.few", files_max=files, connections_max=connections_max,
            todo=f"the node refuses connections beyond about {files - FILES_MIN}; raise the limit with: ulimit -n",
        )  # fmt: skip
    release = threading.Event()
    threads = [threading.Thread(target=release.wait, daemon=True) for _ in range(THREADS_NEEDED)]
    started = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
    except RuntimeError:
        raise SetupError(
            "this user may start no more processes and threads; raise the limit with: ulimit -u (or TasksMax of systemd,"
            " --pids-limit of a container)"
        ) from None
    finally:
        release.set()
        for thread in started:
            thread.join()
