"""The application: global options and all commands."""

import errno
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from skillbox.cli import apikeys, backup, console, executions, local, mcp, run, server, skills
from skillbox.cli.errors import CliError, ExitCode, explain
from skillbox.cli.settings import DEFAULT_SERVER, OutputFormat, Settings
from skillbox.client import APIError

_GLOBAL_OPTIONS = ("-s", "--server", "-k", "--api-key", "-t", "--tenant", "-o", "--output")


class RootGroup(TyperGroup):
    """Takes the global options at any place, and says in one way what went wrong."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, global_options_first(args))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except APIError as error:
            failure = explain(error, ctx.obj.server)
        except CliError as error:
            failure = error
        except UnicodeEncodeError:
            failure = CliError("an argument is not UTF-8 text", exit_code=ExitCode.USAGE)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            where = f"{error.filename}: " if error.filename else ""
            failure = CliError(f"{where}{error.strerror or error}")
        console.fail(failure.message, failure.hint)
        raise typer.Exit(failure.exit_code)


def global_options_first(args: list[str]) -> list[str]:
    """Moves the global options before the command; what follows `--` is not ours."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _GLOBAL_OPTIONS:
            value = next(words, None)
            if value is None:
                # Alone, so that the parser says that its value is missing.
                return [word]
            first += [word, value]
        elif word.startswith("--") and word.partition("=")[0] in _GLOBAL_OPTIONS:
            first.append(word)
        else:
            rest.append(word)
    return first + rest


app = typer.Typer(
    name="skillbox",
    cls=RootGroup,
    help="Run skills of AI agents in a sandbox. Options of this list may stand anywhere.",
    no_args_is_help=True,
    # Plain texts: errors are `Error: <text>`, which scripts can read.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def global_options(
    ctx: typer.Context,
    server_url: Annotated[
        str,
        typer.Option("--server", "-s", envvar="SKILLBOX_SERVER_URL", help="Address of the server."),
    ] = DEFAULT_SERVER,
    api_key: Annotated[
        str, typer.Option("--api-key", "-k", envvar="SKILLBOX_API_KEY", help="Key to use.")
    ] = "",
    tenant: Annotated[
        str,
        typer.Option(
            "--tenant", "-t", envvar="SKILLBOX_TENANT_ID", help="Tenant that the key must have."
        ),
    ] = "",
    output: Annotated[
        OutputFormat, typer.Option("--output", "-o", help="How to print results.")
    ] = OutputFormat.TABLE,
) -> None:
    ctx.obj = Settings(server_url.rstrip("/"), api_key.strip(), tenant, output)


run.register(app)
backup.register(app)
app.add_typer(skills.app, name="skill")
app.add_typer(executions.app, name="exec")
app.add_typer(apikeys.app, name="apikey")
server.register(app)
local.register(app)
mcp.register(app)
