"""Run an app as a worker process until SIGTERM or SIGINT."""

from __future__ import annotations

from typing import NoReturn

from .app import SliceApp


def run(app: SliceApp) -> NoReturn:
    """Run `app`; exits the process: 0 after SIGTERM or SIGINT, 70 after a fault. Logging stays as the caller set it up.

    Not Faust's command line: that one switches its web server on and redirects stderr whatever the settings say, and
    mode replaces the handlers of the root logger (with `-l warn`, at level DEBUG).
    """
    worker = app.Worker(redirect_stdouts=False, override_logging=False, quiet=True)
    worker.spinner = None
    worker.execute_from_commandline()
    raise AssertionError("execute_from_commandline does not return")
