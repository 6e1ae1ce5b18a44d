"""Writes the table of settings in docs/DEPLOY.md from the settings classes.

python -m tools.settings_table [--check]
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from skillbox_auth.config import Settings as AuthSettings
from skillbox_common.config import PREFIX
from skillbox_executor.config import ExecutorSettings
from skillbox_gateway.config import GatewaySettings
from skillbox_registry.config import Settings as RegistrySettings

PAGE = Path(__file__).resolve().parents[1] / "docs/DEPLOY.md"
SERVICES: dict[str, type[BaseSettings]] = {
    "auth": AuthSettings,
    "registry": RegistrySettings,
    "executor": ExecutorSettings,
    "gateway": GatewaySettings,
}
_BEGIN, _END = "<!-- settings: tools/settings_table.py -->\n", "<!-- end of settings -->\n"
_MIB = 1024 * 1024


def variables() -> dict[str, dict[str, FieldInfo]]:
    """Returns the field of each service by the name of its variable, in the classes' order."""
    found: dict[str, dict[str, FieldInfo]] = {}
    for service, settings in SERVICES.items():
        for name, field in settings.model_fields.items():
            found.setdefault(f"{PREFIX}{name.upper()}", {})[service] = field
    return found


def table() -> str:
    """Returns the table in Markdown."""
    return "".join(_rows())


def _rows() -> Iterator[str]:
    yield "\n| Variable | Default | Read by | Meaning |\n|---|---|---|---|\n"
    for variable, fields in variables().items():
        defaults = {service: _default(field) for service, field in fields.items()}
        # The same for all, but for where each listens.
        default = " / ".join(dict.fromkeys(defaults.values()))
        described = next((each.description for each in fields.values() if each.description), None)
        meaning = described or _words(variable)
        yield f"| `{variable}` | {default} | {', '.join(fields)} | {meaning} |\n"
    yield "\n"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "computed"
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", ()):
        return "–"  # noqa: RUF001 - the sign for nothing, as in other tables
    return f"`{_text(value, repr(field))}`"


def _text(value: object, field: str) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and "_seconds" in field:
        for unit, seconds in (("h", 3600), ("m", 60)):
            if value >= seconds and value % seconds == 0:
                return f"{value / seconds:g}{unit}"
        return f"{value:g}s"
    if isinstance(value, int) and value >= _MIB and value % _MIB == 0:
        return f"{value // _MIB}Mi"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(variable: str) -> str:
    words = variable.removeprefix(PREFIX).lower().replace("_", " ")
    return f"{words[0].upper()}{words[1:]}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.settings_table")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    arguments = parser.parse_args()
    page = PAGE.read_text("utf-8")
    before, rest = page.split(_BEGIN)
    _, after = rest.split(_END)
    wanted = f"{before}{_BEGIN}{table()}{_END}{after}"
    if arguments.check and wanted != page:
        sys.exit("docs/DEPLOY.md: the settings are not up to date: python -m tools.settings_table")
    PAGE.write_text(wanted, "utf-8")


if __name__ == "__main__":
    main()
