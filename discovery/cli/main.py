"""The `autotts` command: finds the subcommand, loads only what it needs, and turns errors into one clear line."""

import importlib
import logging
import os
import sys
import tomllib
from pathlib import Path
from typing import Any, NoReturn

import click

from replay.errors import AutoTTSError

COMMANDS = {
    "discover": "discovery.cli.discover:discover",
    "prompt": "discovery.cli.prompt:prompt",
    "archive": "discovery.cli.archive:archive",
    "export": "discovery.cli.export:export",
    "evaluate": "discovery.cli.evaluate:evaluate",
    "compare": "discovery.cli.compare:compare_",
    "store": "discovery.cli.store:store",
    "doctor": "discovery.cli.doctor:doctor",
}
SETTINGS_FILE = "autotts.toml"


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


SUMMARIES = {
    "discover": "Search for controllers on recorded trajectories, within a budget.",
    "prompt": "Print what a run's model is, or would be, sent next.",
    "archive": "Look at runs and candidates: list, show, front.",
    "export": "Write a run's winner, or any candidate, as a Python module.",
    "evaluate": "Score controllers on stores: baselines, candidates, exported files.",
    "compare": "Tell whether one controller beats another, with intervals.",
    "store": "Import, show, check and synthesize recorded trajectories.",
    "doctor": "See whether this machine has what a run needs.",
}


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "AUTOTTS", "max_content_width": 100},
    epilog="Example: autotts discover stores/*/aime24 --budget 0 --iterations 60",
)
@click.version_option(package_name="autotts", message="autotts %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens in detail.")
@click.pass_context
def main(ctx: click.Context, verbose: bool) -> None:
    """Discovers how a reasoning model should spend its inference-time compute.

    Every option can also be set as a variable (AUTOTTS_DISCOVER_BUDGET=5) or in autotts.toml ([discover] budget = 5);
    the command line comes first, then variables, then the file.
    """
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, handlers=[StderrHandler()], force=True)
    ctx.default_map = _settings()


class StderrHandler(logging.Handler):
    """Writes one line for each record to what is stderr at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record: its level in lower case, then what it says."""
        click.echo(f"{record.levelname.lower()}: {self.format(record)}", err=True)


def run() -> None:
    """Runs the command line. Exit codes: 0 done, 1 expected failure, 2 wrong usage, 130 on Ctrl-C."""
    try:
        code = main.main(prog_name="autotts", standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message(), _usage_hint(error))
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        _leave_at_once(130)
    except AutoTTSError as error:
        _fail(str(error), error.hint)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(
            f"{error.filename or 'a file'}: {error.strerror or error}", "check the path, its rights and the disk's room"
        )
        sys.exit(1)
    except Exception as error:  # the outermost frame: a fault of ours is told in one line, too
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(f"unexpected {what}", "this is a fault of autotts; `autotts -v ...` shows where, for a report")
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _leave_at_once(code: int) -> NoReturn:
    """Ends the process without waiting for a call in flight, which has a thread of its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _fail(message: str, hint: str) -> None:
    click.echo("error: " + message.replace("\n", "\n       "), err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def _usage_hint(error: click.ClickException) -> str:
    ctx = getattr(error, "ctx", None)
    return f"see: {ctx.command_path} --help" if ctx is not None else "see: autotts --help"


def _settings() -> dict[str, Any]:
    path = Path(SETTINGS_FILE)
    if not path.is_file():
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AutoTTSError(f"{SETTINGS_FILE} is not TOML: {error}", hint=f"mend or remove {SETTINGS_FILE}") from error
    return {command: _options(values) for command, values in settings.items()}


def _options(values: Any) -> Any:
    return {key.replace("-", "_"): value for key, value in values.items()} if isinstance(values, dict) else values
