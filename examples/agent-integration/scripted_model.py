"""A chat model that follows a script: it calls one skill and then says what came back."""

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class ScriptedModel(BaseChatModel):
    """Calls `data-analysis` with the numbers of the question."""

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            mean = json.loads(str(last.content))["mean"]
            reply = AIMessage(f"The mean is {mean}.")
        else:
            words = str(last.content).replace(",", " ").replace("?", " ").split()
            numbers = [int(word) for word in words if word.isdecimal()]
            arguments = {"input": {"data": numbers}}
            call = {"name": "skillbox_data_analysis", "args": arguments, "id": "call-1"}
            reply = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> "ScriptedModel":
        return self

    @property
    def _llm_type(self) -> str:
        return "scripted"
