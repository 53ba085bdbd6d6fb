"""The `rankbench` command: a table of commands, loaded one at a time, and one form for errors.

Importing this module and `rankbench --help` load click and nothing heavy; each command imports
what it needs when it runs.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from engine import __version__
from engine.errors import RankbenchError, UsageError
from workbench.commands.hints import Place, copyable, place_of
from workbench.commands.options import workspace_option

# Command -> the module it lives in (under workbench.commands) and its line in `--help`, so that
# help needs no command to be imported.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Make the demo shop if needed and open it."),
    "init": ("init", "Make a workspace from a catalog file."),
    "index": ("index", "Encode what changed."),
    "search": ("search", "Rank one query on both sides."),
    "why": ("why", "Why a result is where it is, on both sides."),
    "eval": ("evaluate", "Measure both sides over the judged queries."),
    "gate": ("gate", "Check rules on both sides, for a pipeline: exit 0 or 3."),
    "runs": ("runs", "Past evaluations, their inputs, and what changed."),
    "holes": ("holes", "The unjudged products that would move the verdict most."),
    "doubtful": ("doubtful", "Judgments to look at again: they contradict, repeat or look wrong."),
    "flag": ("flag", "Keep your verdict on a result: a grade, or x for bad."),
    "flags": ("flags", "List verdicts by query; who disagrees; the whole history."),
    "undo": ("undo", "Take back what you judged last."),
    "redo": ("redo", "Give again what the last undo took back."),
    "separate": ("separate", "Let a query share no verdicts with its other spellings."),
    "report": ("report", "Write a page of what both sides do to the judged queries."),
    "present": ("present", "Open the app on its queries for a room of people."),
    "serve": ("serve", "Put the app in a browser; read-only unless told otherwise."),
    "compress": ("compress", "Make an encoder smaller and faster, or measure every way to."),
    "crossval": ("crossval", "Out-of-fold scores of a training recipe."),
    "sweep": ("sweep", "Search a recipe's settings for the best dev score."),
    "train": ("train", "Fine-tune an encoder from flags or judgments."),
    "teach": ("teach", "Train a cross-encoder from judgments, to teach encoders with."),
    "synth": ("synth", "Let a cross-encoder score what a search log's queries find."),
    "jobs": ("jobs", "Show background work; cancel it or read its log."),
    "encoders": ("encoders", "List, add, remove encoders; with NAME the verdict on its run."),
    "recipes": ("recipes", "List the training recipes, or explain one."),
    "import": ("import_", "Read judgments, verdicts, query lists or a search log."),
    "export": ("export", "Write verdicts, judgments, an encoder or its vectors to a file."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"workbench.commands.{COMMANDS[cmd_name][0]}")
        return module.command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="rankbench")
@click.option("--read-only", is_flag=True, help="The app writes nothing in the workspace.")
@click.option("--judge", metavar="NAME", help="Under whose name the app keeps verdicts.")
@workspace_option
@click.pass_context
def cli(ctx: click.Context, read_only: bool, judge: str | None) -> None:
    """Compare search rankings side by side and fine-tune encoders from bad results.

    Without a command, opens the app on the workspace: DIR of -w, else the current directory if
    it holds workspace.toml, else the demo's.
    """
    place = place_of(ctx)
    place.read_only, place.judge = read_only, judge
    for option, given in (("--read-only", read_only), ("--judge", judge is not None)):
        if given and ctx.invoked_subcommand not in (None, "present"):
            raise UsageError(
                f"{option} is for the app, not for a command.",
                f"`rankbench {option}`, or `rankbench {option} present`",
            )
    if ctx.invoked_subcommand is None:
        importlib.import_module("workbench.commands.open_app").run(ctx)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0, 1 (mendable), 2 (usage), 3 (a gate), 130 (interrupted)."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    place = Place()
    try:
        result: Any = cli.main(
            args=arguments, prog_name="rankbench", standalone_mode=False, obj=place
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except RankbenchError as error:
        _complain(copyable(error.what, place), copyable(error.todo, place))
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        _complain(error.format_message(), _usage_hint(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader left (`| head`). Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _unexpected(error)


def _complain(what: str, todo: str) -> None:
    click.echo(f"error: {' '.join(what.split())}", err=True)
    if todo:
        click.echo(f"  {' '.join(todo.split())}", err=True)


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "rankbench"
    return f"`{path} --help` shows how it is used."


def _unexpected(error: Exception) -> int:
    import traceback

    if os.environ.get("RANKBENCH_DEBUG") == "1":
        traceback.print_exc()
        return 1
    first = (str(error).splitlines() or [""])[0][:300]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    log = _write_log("".join(traceback.format_exception(error)))
    where = f"The traceback is in {log}" if log else "RANKBENCH_DEBUG=1 shows the traceback"
    _complain(f"a fault in Rankbench: {what}", f"{where}; report it with the command you typed.")
    return 1


def _write_log(text: str) -> Path | None:
    """Keep the traceback of an unexpected error; None where no file can be written."""
    import platformdirs

    try:
        path = platformdirs.user_log_path("rankbench") / "last-error.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{' '.join(sys.argv)}\n\n{text}", encoding="utf-8")
    except (OSError, UnicodeEncodeError):
        return None
    return path
