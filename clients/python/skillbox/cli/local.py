"""`skillbox up`, `down`, `status` and `images`: the whole stack on this machine.

Only what starts a stack or builds images needs the extra `server`, and is imported when it is
used.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from skillbox.cli import console
from skillbox.cli.errors import CliError
from skillbox.cli.settings import settings_of
from skillbox_local import control
from skillbox_local.data_dir import DataDir
from skillbox_local.errors import LocalError
from skillbox_local.options import Options, SandboxChoice, default_data_dir
from skillbox_local.state import State

_DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="SKILLBOX_DATA_DIR",
        file_okay=False,
        resolve_path=True,
        help="Where everything is kept. Default: $XDG_DATA_HOME/skillbox or ~/.skillbox.",
    ),
]


images = typer.Typer(help="Images that sandboxes are made from.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.add_typer(images, name="images")


def up(
    ctx: typer.Context,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when the stack serves, and leave it running.")
    ] = False,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on."),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            envvar="SKILLBOX_API_PORT", min=0, max=65535, help="Port to listen on; 0 is any."
        ),
    ] = 8080,
    data_dir: _DataDir = None,
    sandbox: Annotated[
        SandboxChoice,
        typer.Option(
            envvar="SKILLBOX_SANDBOX",
            help="What makes the sandboxes; auto takes Docker where it works.",
        ),
    ] = SandboxChoice.AUTO,
    replicas: Annotated[int, typer.Option(min=1, max=8, help="Processes of each service.")] = 1,
) -> None:
    """Run the whole stack on this machine until Ctrl-C."""
    options = Options(data_dir or default_data_dir(), host, port, sandbox, replicas)
    first = not DataDir(options.data_dir).api_key.exists()

    def announce(state: State) -> None:
        if settings_of(ctx).json:
            console.show_json(_as_json(state, options.data_dir))
        else:
            _announce(state, first)

    with _errors():
        if detach:
            announce(control.start_detached(options))
        else:
            from skillbox_local.main import supervise  # noqa: PLC0415 - needs the extra

            supervise(options, announce)


def down(ctx: typer.Context, data_dir: _DataDir = None) -> None:
    """Stop the stack; what it keeps stays."""
    chosen = data_dir or default_data_dir()
    with _errors():
        stopped = control.stop(chosen)
    if settings_of(ctx).json:
        console.show_json({"data_dir": str(chosen), "stopped": stopped})
    console.note("Skillbox has stopped" if stopped else f"no Skillbox runs in {chosen}")


def status(ctx: typer.Context, data_dir: _DataDir = None) -> None:
    """Show whether the stack runs here; exit code 1 when it does not."""
    chosen = data_dir or default_data_dir()
    state = control.status(chosen)
    if settings_of(ctx).json:
        console.show_json(_as_json(state, chosen))
    elif state:
        _show(state)
    else:
        console.show(f"no Skillbox runs in {chosen}")
    if state is None or state.phase != "running":
        raise typer.Exit(1)


@images.command()
def build(
    ctx: typer.Context,
    languages: Annotated[
        list[str] | None,
        typer.Argument(metavar="[python|node|bash]...", help="Default: all of them."),
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Leave out those that the engine has.")
    ] = False,
) -> None:
    """Build sandbox images from Debian packages."""
    with _errors():
        from skillbox_local.images import build_images  # noqa: PLC0415 - needs the extra

        done = build_images(languages or [], only_missing=missing, tell=console.note)
    if settings_of(ctx).json:
        console.show_json([asdict(image) for image in done])


@contextmanager
def _errors() -> Iterator[None]:
    """Makes the stack's own errors those of the command line.

    Raises:
        CliError: The stack says no, or is not installed.
    """
    try:
        yield
    except LocalError as error:
        raise CliError(str(error)) from error
    except ModuleNotFoundError as error:
        raise CliError(
            f"the server is not installed ({error})",
            'Install it: pip install "skillbox[server,cli]".',
        ) from error


def _announce(state: State, first: bool) -> None:
    """Says where the stack is, and its key the first time only."""
    if state.warning:
        console.note(f"WARNING: {state.warning}")
    key = DataDir(Path(state.data_dir)).api_key
    console.show(f"Skillbox is ready at {state.url}")
    console.show_fields(
        [
            ("sandbox", f"{state.sandbox} ({state.sandbox_note})"),
            ("data", state.data_dir),
            ("API key", f"{key.read_text().strip()}, kept in {key}" if first else f"in {key}"),
        ]
    )
    console.show(_how_to_use(state))


def _how_to_use(state: State) -> str:
    """Returns the line for the shell of whoever wants to use the stack."""
    key = shlex.quote(str(DataDir(Path(state.data_dir)).api_key))
    return f"To use it: export SKILLBOX_SERVER_URL={state.url} SKILLBOX_API_KEY=$(cat {key})"


def _show(state: State) -> None:
    console.show(f"Skillbox is {state.phase} at {state.url}")
    console.show_fields(
        [("sandbox", f"{state.sandbox} ({state.sandbox_note})"), ("data", state.data_dir)]
    )
    console.show_table(
        ["SERVICE", "STATE", "PID", "RESTARTS"],
        (
            [name, service.state, str(service.pid or ""), str(service.restarts)]
            for name, service in state.services.items()
        ),
    )
    console.show(_how_to_use(state))


def _as_json(state: State | None, data_dir: Path) -> dict[str, object]:
    if state is None:
        return {"state": "stopped", "data_dir": str(data_dir), "services": {}}
    return {
        "state": state.phase,
        "url": state.url,
        "data_dir": state.data_dir,
        "sandbox": state.sandbox,
        "docker_host": state.docker_host,
        "api_key_file": str(DataDir(Path(state.data_dir)).api_key),
        "services": {
            name: {"state": service.state, "pid": service.pid, "restarts": service.restarts}
            for name, service in state.services.items()
        },
    }
