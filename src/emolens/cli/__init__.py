"""The command line. Commands parse, call one function of the library and print; heavy modules load when they run."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from emolens import __version__
from emolens.cli.leaving import USAGE, fail
from emolens.errors import EmolensError, Stopped


class Door(TyperGroup):
    """Every way in ends in an exit code and at most one line of error: no traceback, no box, no usage text."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what the library refuses becomes one line."""
        try:
            return super().invoke(ctx)
        except Stopped as error:
            fail(str(error), 128 + error.number)
        except EmolensError as error:
            fail(str(error))
        except KeyboardInterrupt:
            fail("interrupted", 130)
        except OSError as error:
            raise typer.Exit(_unwritten(error)) from None

    def main(self, args: Any = None, prog_name: str | None = None, *_: Any, **extra: Any) -> Any:
        """Parse and run; a usage error becomes one line that names the help."""
        standalone = extra.pop("standalone_mode", True)
        try:
            code = super().main(args, prog_name, standalone_mode=False, **extra)
        except OSError as error:  # of help and version, which are printed before any command
            code = _unwritten(error)
        except Exception as error:
            if not hasattr(error, "format_message"):  # not a usage error: a fault of ours, shown in full
                raise
            typer.echo(f"emolens: {_usage(error)}", err=True)
            code = USAGE
        if standalone:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def _unwritten(error: OSError) -> int:
    """The exit code where an output took nothing more. Raises what is no such error."""
    if isinstance(error, BrokenPipeError):  # `emolens ... | head`: nobody listens, which is no error to talk about
        _forget_stdout()
        return 141
    if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
        raise error
    _forget_stdout()
    typer.echo(f"emolens: the output cannot be written: {error.strerror}; make room or name another place", err=True)
    return USAGE


def _forget_stdout() -> None:
    """Where the standard output takes nothing more, what is left in its buffer goes nowhere.

    Python would write it again on the way out, fail again, and end with a code of its own.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: Any) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    command = error.ctx.command_path if getattr(error, "ctx", None) else "emolens"
    end = "" if text.endswith("?") else "."
    return f"{text[:1].lower()}{text[1:]}{end} Try '{command} --help'"


app = typer.Typer(
    cls=Door,
    help="What each face in a photo shows, how the group looks, what it evokes. Apparent expression, not feeling.",
    epilog="Start with: emolens analyze PHOTO",
    add_completion=False,  # two options that nobody asked for on every help page
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: half the time to start, and it fits 80 columns
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emolens {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _register() -> None:
    from emolens.cli import (
        analyze,
        data,
        doctor,
        ensemble,
        evaluate,
        faces,
        frames,
        learn,
        maps,
        models,
        notice,
        recipes,
        serve,
        skeletons,
        study,
        video,
    )

    app.command()(analyze.analyze)
    app.command()(video.video)
    app.command()(faces.faces)
    app.command()(frames.frames)
    app.command()(skeletons.skeletons)
    app.command()(serve.serve)
    app.add_typer(models.app, name="models")
    app.add_typer(data.app, name="data")
    app.command()(doctor.doctor)
    app.command()(notice.notice)
    app.command("compare-maps")(maps.compare_maps)
    for command in (
        learn.train,
        learn.export,
        evaluate.predict,
        evaluate.evaluate,
        ensemble.ensemble,
        study.study,
        study.studies,
        recipes.recipes,
    ):
        app.command()(command)


_register()


def _warning(message: Warning | str, *_: Any, **__: Any) -> str:
    return f"emolens: warning: {message}\n"


def main() -> None:
    """The entry point of the `emolens` command."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller, as in `emolens ... >&-`
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115  it stays open to the end
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that lacks a letter still works
    warnings.filterwarnings("ignore", module="PIL")  # of a corrupt EXIF block: the picture itself is fine
    warnings.formatwarning = _warning
    app(prog_name="emolens")
