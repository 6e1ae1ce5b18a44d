"""Rebuilds the Go stubs under clients/go/gen from the protos.

The plugins come as Go modules. `--check` writes nothing and fails when the tree differs from
what would be written; `--if-reachable` leaves the tree alone where the modules cannot be had.
"""

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

from tools.generate import ROOT, buf, copy_googleapis
from tools.golang import GOBIN, GoMissing, ModulesUnreachable, go

TARGET = Path("clients/go/gen")
# The first and the third are of the modules in go.mod there, in the same versions.
PLUGINS = (
    "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
    "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway@v2.31.0",
)


def generate(root: Path) -> None:
    """Writes the stubs below `root`.

    Raises:
        GoMissing: There is no Go.
        ModulesUnreachable: The plugins cannot be had.
    """
    GOBIN.mkdir(parents=True, exist_ok=True)
    for plugin in PLUGINS:
        go("install", plugin, cwd=ROOT, env={"GOBIN": str(GOBIN)})
    copy_googleapis()
    buf("generate", "--template", "buf.gen.go.yaml", "--output", str(root))


def differences() -> list[str]:
    """Returns the stubs that are not what they would be if they were generated now."""
    with tempfile.TemporaryDirectory() as folder:
        fresh, ours = Path(folder), ROOT
        generate(fresh)
        return [
            str(name)
            for name in sorted(_stubs(ours) | _stubs(fresh))
            if not (
                (ours / name).exists()
                and (fresh / name).exists()
                and filecmp.cmp(ours / name, fresh / name, shallow=False)
            )
        ]


def _stubs(root: Path) -> set[Path]:
    return {path.relative_to(root) for path in (root / TARGET).rglob("*.go")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="fail when the tree is out of date")
    parser.add_argument("--if-reachable", action="store_true", help="or else change nothing")
    arguments = parser.parse_args()
    try:
        if not arguments.check:
            generate(ROOT)
        elif found := differences():
            sys.exit("Go stubs are out of date, run `make go`:\n" + "\n".join(found))
    except (GoMissing, ModulesUnreachable) as error:
        if not arguments.if_reachable:
            sys.exit(str(error))
        print(f"the Go stubs stay as they are: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
