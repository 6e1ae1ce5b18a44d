"""Rebuilds the OpenAPI description of the REST surface from the protos.

The plugin comes as a Go module. `--check` writes nothing and fails when the file differs from
what would be written; `--if-reachable` leaves it alone where the module cannot be had.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import yaml

from tools.generate import ROOT, buf, copy_googleapis
from tools.golang import GOBIN, GoMissing, ModulesUnreachable, go
from tools.openapi3 import openapi3

TARGET = ROOT / "services/skillbox_gateway/openapi.json"
BASE = ROOT / "proto/openapi/base.yaml"
PLUGIN = "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2@v2.31.0"


def generate() -> str:
    """Returns the description.

    Raises:
        GoMissing: There is no Go.
        ModulesUnreachable: The plugin cannot be had.
    """
    GOBIN.mkdir(parents=True, exist_ok=True)
    go("install", PLUGIN, cwd=ROOT, env={"GOBIN": str(GOBIN)})
    copy_googleapis()
    with tempfile.TemporaryDirectory() as folder:
        buf("generate", "--template", "buf.gen.openapi.yaml", "--output", folder)
        swagger = json.loads(Path(folder, "openapi.swagger.json").read_text())
    description = openapi3(swagger, yaml.safe_load(BASE.read_text()))
    return json.dumps(description, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="fail when the file is out of date")
    parser.add_argument("--if-reachable", action="store_true", help="or else change nothing")
    arguments = parser.parse_args()
    try:
        text = generate()
    except (GoMissing, ModulesUnreachable) as error:
        if not arguments.if_reachable:
            sys.exit(str(error))
        print(f"the OpenAPI description stays as it is: {error}", file=sys.stderr)
        return
    if not arguments.check:
        TARGET.write_text(text)
    elif not TARGET.exists() or TARGET.read_text() != text:
        sys.exit(f"{TARGET.relative_to(ROOT)} is out of date, run `make openapi`")


if __name__ == "__main__":
    main()
