"""Run a program that dies with the process that started it.

`python leash.py PARENT_PID PROGRAM ARG…` asks the kernel for SIGKILL when the parent goes, then becomes PROGRAM. It is
a file of its own, run by path, because `preexec_fn` is unsafe in a process with threads (librdkafka has many), and
because it must start in milliseconds.

The kernel ties the leash to the *thread* that forked (prctl(2), PR_SET_PDEATHSIG): start children from a thread that
lives as long as they should. Outside Linux there is no such call and the program runs without a leash.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def leashed(argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` on a leash held by the calling process."""
    # -I -S: neither the environment nor site-packages can slow it down or break it.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv]


def main(args: Sequence[str]) -> None:
    """Become the program in `args` (parent's process id first), or exit when that parent is gone already."""
    parent, program = int(args[0]), list(args[1:])
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call above: nobody would ever kill us
            sys.exit(1)
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
