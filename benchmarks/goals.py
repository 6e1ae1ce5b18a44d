"""The figures to reach. Nearly all are ratios of one run, so that a slow machine is no excuse."""

from dataclasses import dataclass

from benchmarks.stats import Results

RAW = "docker run"
DOCKER, GVISOR, BUBBLEWRAP = "docker/runc", "docker/runsc", "bubblewrap"
LATENCY, THROUGHPUT, BURST = "latency", "throughput", "burst of 100"
CONTROL, CONTRACT, UPLOADS = "control plane", "REST contract", "uploads"
LOGS, IDLE = "log lines", "idle boxes"
NEW_CONNECTIONS = "REST, new connections"
PROCESSOR = "CPU ms of a run"


def skillbox(engine: str, how: str) -> str:
    """Returns the name of a case of Skillbox itself."""
    return f"Skillbox {engine} {how}"


def phases_of(engine: str) -> str:
    """Returns the name of the scenario that shows where the time of a warm run goes."""
    return f"phases of a warm run, {engine}"


@dataclass(frozen=True)
class Goal:
    """A bound for one figure.

    Attributes:
        bound: In the figure's own unit, or a factor when there is a base.
        base: Scenario, case and figure that `bound` is a factor of.
        at_least: The figure is to be this much, not at most this much.
    """

    scenario: str
    case: str
    figure: str
    bound: float
    base: tuple[str, str, str] | None = None
    at_least: bool = False

    def limit(self, results: Results) -> float | None:
        """Returns the bound in the figure's unit, or `None` when its base was not measured."""
        if self.base is None:
            return self.bound
        base = results.figure(*self.base)
        return None if base is None else base * self.bound

    def reached(self, results: Results) -> bool | None:
        """Tells whether the goal is reached; `None` when it was not measured."""
        value, limit = results.figure(self.scenario, self.case, self.figure), self.limit(results)
        if value is None or limit is None:
            return None
        return value >= limit if self.at_least else value <= limit

    def text(self, results: Results) -> str:
        """Says what the goal is, what was measured and whether that reaches it."""
        sign = "≥" if self.at_least else "≤"
        goal = f"{self.figure} {sign} {self.bound:g}"
        value, limit = results.figure(self.scenario, self.case, self.figure), self.limit(results)
        if self.base is not None:
            goal += f" of {' '.join(self.base[1:])}"
            goal += f" = {limit:.1f}" if limit is not None else ""
        if value is None or limit is None:
            return f"{goal}: not measured"
        is_value = f"{value * self.bound / limit:.2f}" if self.base else f"{value:.1f}"
        return f"{goal}: {is_value}, {'reached' if self.reached(results) else 'NOT REACHED'}"


_REST, _GRPC = skillbox(DOCKER, "REST warm"), skillbox(DOCKER, "gRPC warm")
_DOCKER_RUN = (LATENCY, RAW, "p50")
_BWRAP = "bwrap python"
_CONTRACT_MS = {
    "health": 50,
    "401": 50,
    "ready": 100,
    "execution record": 100,
    "logs": 100,
    "list": 200,
    "inspect": 200,
    "upload of 2 KB": 500,
    "upload of 140 KB": 2000,
}
GOALS = (
    Goal(LATENCY, _REST, "p50", 0.10, _DOCKER_RUN),
    Goal(LATENCY, _REST, "p99", 0.35, _DOCKER_RUN),
    Goal(LATENCY, _REST, "p50", 0.20, (LATENCY, "llm-sandbox, pooled", "p50")),
    Goal(LATENCY, _GRPC, "p50", 0.08, _DOCKER_RUN),
    Goal(LATENCY, skillbox(BUBBLEWRAP, "REST warm"), "p50", 1.5, (LATENCY, _BWRAP, "p50")),
    Goal(
        THROUGHPUT,
        skillbox(DOCKER, "REST"),
        "runs/s",
        0.9,
        (THROUGHPUT, "engine API", "runs/s"),
        at_least=True,
    ),
    Goal(
        THROUGHPUT,
        skillbox(BUBBLEWRAP, "REST"),
        "runs/s",
        0.7,
        (THROUGHPUT, _BWRAP, "runs/s"),
        at_least=True,
    ),
    Goal(BURST, skillbox(DOCKER, "REST"), "first ms", 0.35, _DOCKER_RUN),
    *(
        Goal(BURST, skillbox(engine, how), "success", 1.0, at_least=True)
        for engine in (DOCKER, GVISOR, BUBBLEWRAP)
        for how in (NEW_CONNECTIONS, "REST")
    ),
    Goal(CONTROL, "Envoy to Executor and back", "p50", 5),
    Goal(CONTROL, "list of skills, first page", "p50", 10),
    Goal(CONTROL, "inspect", "p50", 10),
    Goal(LOGS, skillbox(DOCKER, "gRPC"), "p99", 20),
    Goal(LOGS, skillbox(BUBBLEWRAP, "gRPC"), "p99", 20),
    Goal(IDLE, f"python, {DOCKER}", "MiB", 12),
    Goal(IDLE, f"python, {BUBBLEWRAP}", "MiB", 12),
    *(Goal(CONTRACT, call, "p99", limit) for call, limit in _CONTRACT_MS.items()),
)


def goals_of(scenario: str, case: str) -> list[Goal]:
    return [goal for goal in GOALS if (goal.scenario, goal.case) == (scenario, case)]
