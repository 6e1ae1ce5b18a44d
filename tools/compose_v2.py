"""Builds Docker Compose v2 from its Go module into .build/gobin, where the tests find it.

For machines whose packages have 1.29 alone. It takes some minutes.
"""

import json
import sys

from tools.golang import GOBIN, ROOT, GoMissing, ModulesUnreachable, go

PROGRAM = GOBIN / "docker-compose"
MODULE = "github.com/docker/compose/v2"
# It speaks to engines as old as those that come with Compose 1.29.
VERSION = "v2.40.3"
_BUILD_S = 1800


def main() -> None:
    """Builds it unless it is there.

    Raises:
        GoMissing: Go has to be installed.
        ModulesUnreachable: The module or one that it needs cannot be had.
    """
    if PROGRAM.exists():
        return
    # Not `go install`, which refuses a module that excludes versions of others.
    module = json.loads(go("mod", "download", "-json", f"{MODULE}@{VERSION}", cwd=ROOT))
    version = f"-s -w -X {MODULE}/internal.Version={VERSION}"
    go("build", "-ldflags", version, "-o", PROGRAM, "./cmd", cwd=module["Dir"], timeout=_BUILD_S)


if __name__ == "__main__":
    try:
        main()
    except (GoMissing, ModulesUnreachable) as error:
        sys.exit(str(error))
    print(PROGRAM)
