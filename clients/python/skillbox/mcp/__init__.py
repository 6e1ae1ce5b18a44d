"""Skills over the Model Context Protocol. Needs `pip install "skillbox[mcp]"`.

`skillbox mcp` serves them to a host such as a desktop assistant or an editor.
"""

from skillbox.mcp.server import SkillServer
from skillbox.mcp.upstream import Upstream

__all__ = ["SkillServer", "Upstream"]
