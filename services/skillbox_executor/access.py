"""What each method of the Executor asks of its caller."""

from collections.abc import Mapping

from skillbox_common.interceptors.authentication import Access, Public
from skillbox_common.principal import Scope

_SERVICE = "/skillbox.executor.v1.ExecutionService/"
_REST = "/skillbox.executor.v1.ExecutionRestService/"

ACCESS: Mapping[str, Access] = {
    _SERVICE + "RunSkill": Scope.EXECUTIONS_RUN,
    _SERVICE + "RunSkillStream": Scope.EXECUTIONS_RUN,
    _SERVICE + "StartExecution": Scope.EXECUTIONS_RUN,
    _SERVICE + "GetExecution": Scope.EXECUTIONS_READ,
    _SERVICE + "ListExecutions": Scope.EXECUTIONS_READ,
    _SERVICE + "CancelExecution": Scope.EXECUTIONS_RUN,
    _SERVICE + "WatchExecution": Scope.EXECUTIONS_READ,
    _SERVICE + "GetExecutionLogs": Scope.EXECUTIONS_READ,
    _REST + "RunSkillRest": Scope.EXECUTIONS_RUN,
    _REST + "GetExecutionRest": Scope.EXECUTIONS_READ,
    _REST + "ListExecutionsRest": Scope.EXECUTIONS_READ,
    _REST + "CancelExecutionRest": Scope.EXECUTIONS_RUN,
    _REST + "GetExecutionLogsRest": Scope.EXECUTIONS_READ,
    _REST + "WatchExecutionRest": Scope.EXECUTIONS_READ,
    # The Registry asks for it on behalf of the caller who uploads.
    "/skillbox.executor.v1.DependencyService/PrepareDependencies": Scope.SKILLS_WRITE,
    "/skillbox.executor.v1.ReadinessService/GetReadiness": Public.PUBLIC,
}
