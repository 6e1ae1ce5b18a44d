"""An agent whose tools are skills.

    MODEL=anthropic:claude-sonnet-4-5 python langchain_agent.py "What is the mean of 1, 2 and 6?"

Without MODEL a scripted model plays the part, so that this runs without any provider.
"""

import asyncio
import os
import sys

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from scripted_model import ScriptedModel

from skillbox.langchain import build_skillbox_toolkit

SERVER = os.environ.get("SKILLBOX_SERVER_URL", "http://localhost:8080")


async def main(question: str) -> None:
    # The key comes from SKILLBOX_API_KEY. Without `skills` all of them become tools.
    toolkit = build_skillbox_toolkit(SERVER, skills=["data-analysis", "word-counter"])
    agent = create_agent(model(), toolkit.get_tools())
    state = await agent.ainvoke({"messages": [("user", question)]})
    for message in state["messages"]:
        for call in getattr(message, "tool_calls", []):
            print("calls", call["name"], call["args"])
        if message.content:
            print(f"{message.type}: {message.content}")


def model() -> BaseChatModel:
    name = os.environ.get("MODEL")
    return init_chat_model(name) if name else ScriptedModel()


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "What is the mean of 1, 2 and 6?"))
