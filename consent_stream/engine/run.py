"""Run an app as a worker process until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NoReturn

from .app import SliceApp


def run(app: SliceApp, *, loglevel: int = logging.INFO, logging_config: Mapping[str, Any] | None = None) -> NoReturn:
    """Run `app`; exits the process: 0 after SIGTERM or SIGINT, 70 after a fault.

    Not Faust's command line: that one switches its web server on and its log redirection, whatever the settings say.
    """
    worker = app.Worker(
        loglevel=max(loglevel, logging.INFO) if loglevel == logging.WARNING else loglevel,
        redirect_stdouts=False,
        logging_config=logging_config,
        quiet=True,
    )
    worker.spinner = None
    worker.execute_from_commandline()
    raise AssertionError("execute_from_commandline does not return")
