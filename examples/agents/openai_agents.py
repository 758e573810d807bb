"""An agent built with the OpenAI Agents SDK; its argument is the model's name at the endpoint that the run names."""

import asyncio
import os
import sys

from agents import Agent, Runner, set_default_openai_api, set_tracing_disabled
from agents.mcp import MCPServerStreamableHttp


async def main() -> None:
    set_tracing_disabled(True)  # traces would go to another host
    set_default_openai_api("chat_completions")
    async with MCPServerStreamableHttp(
        params={"url": os.environ["RISE_MCP_URL"], "timeout": 60},
        client_session_timeout_seconds=60,
        cache_tools_list=True,
    ) as tools:
        agent = Agent(
            name="assistant",
            instructions=os.environ["RISE_INSTRUCTIONS"],
            model=sys.argv[1],
            mcp_servers=[tools],
        )
        result = await Runner.run(agent, os.environ["RISE_REQUEST"], max_turns=30)
    print(result.final_output)


asyncio.run(main())
