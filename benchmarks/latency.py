"""Latency of a run, beside `docker run` with the same hardening, in one interleaved run."""

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import grpc

from benchmarks.stack import KEY, percentile, running
from skillbox import Client
from skillbox.executor.v1.execution_service_pb2 import RunSkillRequest, SkillRun
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub

RAW = [
    *("docker", "run", "--rm", "--network=none", "--cap-drop=ALL", "--read-only"),
    *("--security-opt=no-new-privileges:true", "--user=65534:65534", "--pids-limit=128"),
    *("--memory=256m", "--memory-swap=256m", "--cpus=0.5", "--tmpfs=/sandbox:noexec"),
    *("--tmpfs=/tmp:noexec,size=64m", "skillbox/python", "python3", "-c"),
    "import json; print('working'); print(json.dumps({'sum': sum([1, 2, 3])}))",
]


def cases(url: str) -> dict[str, Callable[[], object]]:
    """Returns what is measured; the first one is what the others are compared with."""
    client = Client(url, KEY)
    stub = ExecutionServiceStub(grpc.insecure_channel(url.removeprefix("http://")))
    request = RunSkillRequest(run=SkillRun(skill="bench", input_json="[1,2,3]"))
    metadata = (("authorization", f"Bearer {KEY}"),)

    def raw() -> None:
        subprocess.run(RAW, check=True, capture_output=True)

    def rest() -> None:
        result = client.run("bench", input=[1, 2, 3])
        assert result.output == {"sum": 6}, result

    def native() -> None:
        reply = stub.RunSkill(request, metadata=metadata)
        assert reply.execution.output_json == '{"sum":6}', reply

    return {"docker run": raw, "Skillbox, REST": rest, "Skillbox, gRPC": native}


def measure(
    work: dict[str, Callable[[], object]], rounds: int, pause: float
) -> dict[str, list[float]]:
    """Returns milliseconds of each round. The pause lets the pool refill, as between callers."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, run in work.items():
            started = time.perf_counter()
            run()
            elapsed = (time.perf_counter() - started) * 1000
            if number:  # the first round fills the caches
                times[name].append(elapsed)
            time.sleep(pause)
    return times


def report(times: dict[str, list[float]]) -> None:
    base = next(iter(times.values()))
    columns = (50, 95, 99)
    print(f"{'':18}" + "".join(f"p{c} ms    ratio    " for c in columns))
    for name, values in times.items():
        cells = ""
        for column in columns:
            value, raw = percentile(values, column), percentile(base, column)
            cells += f"{value:6.1f}  {value / raw:6.3f}    "
        print(f"{name:18}{cells}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between runs")
    parser.add_argument("--out", type=Path, default=Path(".build/bench.json"))
    arguments = parser.parse_args()
    with running("docker") as stack:
        times = measure(cases(stack.url), arguments.rounds, arguments.pause)
    report(times)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(times, indent=2))


if __name__ == "__main__":
    main()
