"""The Python code of the README runs from first line to last: every name is there before it is used."""

from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def test_names_are_there_before_they_are_used() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 5
    known, unknown = set(dir(builtins)), []
    for statement in ast.parse("\n".join(blocks)).body:
        names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        stored |= {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
        if isinstance(statement, ast.Import | ast.ImportFrom):
            stored |= {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
        # Of a loop the names that it makes are used within it; of all else, only in lines below.
        before = known | stored if isinstance(statement, ast.For | ast.With | ast.Expr) else known
        unknown += [node.id for node in names if isinstance(node.ctx, ast.Load) and node.id not in before]
        known |= stored
    assert unknown == []
