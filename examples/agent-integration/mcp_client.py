"""Skills over the Model Context Protocol: what a host does when it has `skillbox mcp`."""

import asyncio
import os
import sys
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp_types import LoggingMessageNotificationParams, ResourceLink, TextResourceContents

# The host starts this command and speaks with it over stdin and stdout.
SERVER = StdioServerParameters(
    command=str(Path(sys.executable).with_name("skillbox")),
    args=["mcp"],
    env={name: value for name, value in os.environ.items() if name.startswith("SKILLBOX_")},
)


async def main() -> None:
    async with Client(SERVER, logging_callback=show_log, log_level="info") as client:
        tools = (await client.list_tools()).tools
        print("tools:", [tool.name for tool in tools])

        result = await client.call_tool(
            "data-analysis", {"input": {"data": [1, 2, 6]}}, progress_callback=show_progress
        )
        print("result:", result.structured_content)

        for link in result.content:
            if isinstance(link, ResourceLink):
                [content] = (await client.read_resource(link.uri)).contents
                assert isinstance(content, TextResourceContents)
                print(f"{link.name}: {content.text.splitlines()[0]}")

        failed = await client.call_tool("data-analysis", {"input": {"data": "?"}})
        print("failed:", failed.is_error)


async def show_log(params: LoggingMessageNotificationParams) -> None:
    print(f"log of {params.logger}: {str(params.data).strip()}")


async def show_progress(progress: float, total: float | None, message: str | None) -> None:
    print(f"progress {progress:.0f}: {message}")


if __name__ == "__main__":
    asyncio.run(main())
