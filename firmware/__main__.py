"""`python -m firmware --config camera.toml [--only NAME]`: every camera of the file, or one of them here."""

import argparse
import asyncio
import contextlib
import faulthandler
import sys
from pathlib import Path

from base import config, logs, service
from base.errors import ConfigError, Error
from firmware import progress, supervisor
from firmware.config import Config


def main() -> int:
    """Parse the command line and run; the return value is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m firmware", description=__doc__)
    parser.add_argument("--config", type=Path, help="TOML file with one [[camera]] table per camera")
    parser.add_argument("--only", metavar="NAME", help="run this camera in this process instead of supervising all")
    parser.add_argument("--check", action="store_true", help="check the file and exit")
    words = parser.add_argument_group("instead of running").add_argument
    words("command", nargs="?", choices=["check-config"], help="read the file and say what is wrong with it")
    words("file", nargs="?", type=Path, help="the file, when it is not --config's")
    arguments = parser.parse_args()
    path = arguments.file or arguments.config
    if path is None:
        parser.error("--config FILE is wanted")
    logs.start("firmware")
    reporter = progress.Reporter.of_this_process()
    try:
        whole = config.load(Config, path)
        if arguments.check or arguments.command:
            print(f"{path}: {len(whole.camera)} cameras")
            return 0
        if arguments.only is None:
            logs.start("firmware", level=whole.log_level)
            command = supervisor.self_command(path)
            names = [camera.name for camera in whole.camera]
            return asyncio.run(supervisor.supervise(command, names, stall_s=whole.stall_s))
        chosen = next((camera for camera in whole.camera if camera.name == arguments.only), None)
        if chosen is None:
            known = ", ".join(camera.name for camera in whole.camera)
            raise ConfigError(f"{path}: no camera is named {arguments.only!r}; known: {known}")
        logs.start(chosen.name, level=whole.log_level)
        service.keep_files_private(chosen.state)
        service.die_with_parent()
        service.raise_files()
        service.bound_arenas()
        service.no_core_files()  # it sees clear pictures
        faulthandler.enable()  # where every thread is, when the supervisor aborts a process that hangs
        from firmware.app import run  # models and GStreamer load here: the supervisor needs neither

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run(chosen, reporter))
    except ConfigError as error:
        print(f"firmware: {error}", file=sys.stderr)
        reporter.failed(str(error))
        return supervisor.CONFIG_EXIT
    except Error as error:
        print(f"firmware: {error}", file=sys.stderr)
        reporter.failed(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
