"""The command line: each command parses, calls and prints; what it calls is imported when it runs."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path

import click

from sim.cli.app_command import app_command
from sim.cli.folder_commands import report_command, runs_group
from sim.cli.output import INTERRUPTED, TERMINATED
from sim.cli.patients_commands import patients_group
from sim.cli.scenario_commands import scenario_group
from sim.cli.study_commands import STUDY_COMMANDS
from sim.cli.what_if_commands import WHAT_IF_COMMANDS
from sim.scenario.plain import printable
from sim.scenario.problems import RequestError
from sim.work.threads import ONE_THREAD

# How the system says that a library did not fit into memory.
_NO_MEMORY = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lupus-hsct", prog_name="lupus-hsct")
def cli() -> None:
    """Simulate treating severe lupus with the patient's own stem cells.

    SCENARIO is the path of a scenario file if it has a slash or ends in .toml, else the name of a shipped
    scenario: lupus-hsct scenario list.
    """


_GROUPS = (patients_group, runs_group, scenario_group)
for _command in (*STUDY_COMMANDS, *WHAT_IF_COMMANDS, app_command, report_command, *_GROUPS):
    cli.add_command(_command)


_WITH_PROCESSES = {"concurrent.futures.process", "multiprocessing.resource_tracker", "distributed"}
"""Modules that tidy up after other processes when the program exits."""


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong request, 130 interrupted, 143 ended."""
    gc.set_threshold(100_000, 20, 100)  # imports make objects that stay; looking for garbage costs a tenth
    for name, threads in ONE_THREAD.items():  # before NumPy is imported, which reads them
        os.environ.setdefault(name, threads)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started the program
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 (open to the end)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that can't show a letter gets its code instead
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that working folders vanish
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        status = status or _failed(error)
        # What is left in the buffer can't be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if status == 0 and not _WITH_PROCESSES & sys.modules.keys():
        sys.stderr.flush()
        os._exit(0)  # all is written; taking a hundred thousand objects apart would cost a tenth of a run
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run one command and return the exit code; whatever goes wrong becomes one message on stderr."""
    try:
        for argument in arguments:
            argument.encode()  # what is no text could be neither stored nor told
        return cli.main(args=arguments, prog_name="lupus-hsct", standalone_mode=False) or 0
    except click.exceptions.Abort as error:
        _say("Interrupted", error.__cause__)
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "lupus-hsct")
        _say(f"Error: {error.format_message()} (all options: {command} --help)", None)
        return error.exit_code
    except RequestError as error:
        _say(f"Error: {error}", error)
        return 2
    except UnicodeEncodeError as error:
        _say(f"Error: {error.object[:80]!r} has bytes that are no UTF-8; write it in letters", error)
        return 2
    except SystemExit as error:  # SIGTERM
        if error.code == TERMINATED:
            _say("Ended", error)
        raise
    except MemoryError as error:
        return _out_of_memory(error)
    except ImportError as error:
        if not any(words in str(error) for words in _NO_MEMORY):
            raise
        return _out_of_memory(error)
    except OSError as error:
        return _failed(error)
    except RuntimeError as error:  # a chunk that can't be simulated
        if not getattr(error, "crashed", None):
            raise
        _say(f"Error: {error}", error)
        return 1


def _say(text: str, error: BaseException | None) -> None:
    """Say what happened, and what an error notes about what is kept."""
    click.echo(printable(". ".join([text, *getattr(error, "__notes__", [])])), err=True)


def _out_of_memory(error: BaseException) -> int:
    _say("Error: there is not enough memory; close other programs, or give fewer --workers", error)
    return 1


def _failed(error: OSError) -> int:
    """Say in one line what the system refused; a reader that has gone away needs no message."""
    if not isinstance(error, BrokenPipeError):
        name = f": {error.filename}" if error.filename else ""
        _say(f"Error: {error.strerror or error}{name}", error)
    return 1
