"""Formulas as MathML, which browsers draw by themselves: pages need no script and no other server."""

from __future__ import annotations

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.util.math import wrap_displaymath
from sphinx.writers.html5 import HTML5Translator


def _math(text: str, as_block: bool) -> str:
    return latex2mathml.tex2mathml(text, as_block=as_block)


def _visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(_math(node.astext(), as_block=False))
    raise nodes.SkipNode


def _visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    text = node.astext()
    if "\\\\" in text and "\\begin" not in text:
        text = wrap_displaymath(text, None, False)
    self.body.append(self.starttag(node, "div", CLASS="math-block"))
    self.body.append(_math(text, as_block=True))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Make it the renderer of formulas."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
