"""Rebuilds everything that is generated from the protos, without network.

Writes the Python code under clients/python/skillbox/<service>/v1 and the descriptor set
that Envoy transcodes with. `--check` writes nothing and fails when the tree differs from
what would be written.
"""

import argparse
import filecmp
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOOGLEAPIS = ROOT / ".build/googleapis"
PYTHON_OUT = ROOT / "clients/python"
DESCRIPTOR_SET = ROOT / "services/skillbox_gateway/descriptor.binpb"
VENDORED = (
    "google/api/annotations.proto",
    "google/api/field_behavior.proto",
    "google/api/http.proto",
    "google/api/httpbody.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)


def buf(*args: str) -> None:
    subprocess.run([Path(sys.executable).with_name("buf"), *args], cwd=ROOT, check=True)


def copy_googleapis() -> None:
    """Copies google/api and google/rpc out of the wheel googleapis-common-protos."""
    spec = importlib.util.find_spec("google.rpc")
    assert spec is not None and spec.submodule_search_locations, "googleapis-common-protos"
    source = Path(next(iter(spec.submodule_search_locations))).parent.parent
    for name in VENDORED:
        target = GOOGLEAPIS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)


def generate(python_out: Path, descriptor_set: Path) -> None:
    buf("generate", "--output", str(python_out.parent.parent))
    buf("build", "--exclude-source-info", "--output", str(descriptor_set))


def generated_files(python_out: Path) -> set[Path]:
    return {
        path.relative_to(python_out)
        for pattern in ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")
        for path in python_out.rglob(pattern)
    }


def differences(python_out: Path, descriptor_set: Path) -> list[str]:
    found = []
    for name in sorted(generated_files(PYTHON_OUT) | generated_files(python_out)):
        ours, fresh = PYTHON_OUT / name, python_out / name
        if not (ours.exists() and fresh.exists() and filecmp.cmp(ours, fresh, shallow=False)):
            found.append(str(ours.relative_to(ROOT)))
    if not DESCRIPTOR_SET.exists() or not filecmp.cmp(DESCRIPTOR_SET, descriptor_set, False):
        found.append(str(DESCRIPTOR_SET.relative_to(ROOT)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="fail when the tree is out of date")
    arguments = parser.parse_args()
    copy_googleapis()
    if not arguments.check:
        generate(PYTHON_OUT, DESCRIPTOR_SET)
        return
    with tempfile.TemporaryDirectory() as folder:
        python_out = Path(folder, "clients/python")
        python_out.mkdir(parents=True)
        descriptor_set = Path(folder, "descriptor.binpb")
        generate(python_out, descriptor_set)
        if found := differences(python_out, descriptor_set):
            sys.exit("generated files are out of date, run `make generate`:\n" + "\n".join(found))


if __name__ == "__main__":
    main()
