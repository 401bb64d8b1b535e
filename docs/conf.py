"""Settings of Sphinx. `bash tools/build_docs.sh` builds the site and checks its links."""

from __future__ import annotations

import enum
import inspect
import os
import re
import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_ext"), str(ROOT)]  # the second for benchmarks/, whose results a page shows

# Pages are the same wherever they are built.
for name in ("GRADSTEP_BACKEND", "GRADSTEP_ISA"):
    os.environ.pop(name, None)
os.environ["MPLBACKEND"] = "agg"

import gradstep  # noqa: E402

METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "gradstep"
author = "the developers of gradstep"
project_copyright = f"{author}, BSD-3-Clause"
version = release = gradstep.__version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "generated",
    "mathml",
]
templates_path = ["_templates"]
exclude_patterns = ["_*", "jupyter_execute"]
# Of the gallery, which sphinx-gallery writes beside its pages.
exclude_patterns += ["gallery/**/*.ipynb", "gallery/**/*.py"]

# Names between single backticks are links where there is such a name, and code everywhere.
default_role = "py:obj"
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections have the types
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_validation_checks: set[str] = set()

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# Every cell runs at every build; what it prints on standard error, warnings too, is an error of the page.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_output_stderr = "error"
nb_merge_streams = True

sphinx_gallery_conf = {
    "examples_dirs": [str(ROOT / "examples")],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"\.py$",
    "image_scrapers": ("figures.scraper", "matplotlib"),
    "ignore_repr_types": r"matplotlib\.|gradstep\.plots\.",
    "capture_repr": ("_repr_html_", "__repr__"),
    "reset_modules": ("matplotlib", "figures.demand"),
    "reset_modules_order": "both",
    "remove_config_comments": True,
    "min_reported_time": 1e6,  # how long an example takes here tells nobody anything
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
}

# Cells and prompts are not part of what a reader copies.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "pydata_sphinx_theme"
html_title = f"gradstep {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {"index": [], "gallery/index": []}
html_theme_options = {
    "logo": {"text": "gradstep"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "navigation_depth": 3,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "back_to_top_button": False,
    "search_bar_text": "Search",
    "search_as_you_type": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_theme_options["github_url"] = METADATA["urls"]["Repository"]


def without_references(app, what, name, obj, options, lines: list[str]) -> None:
    """Leave the words of references to pages of scikit-learn, in docstrings that are inherited from it."""
    lines[:] = [re.sub(r":ref:`([^`<]+?)\s*(?:<[^`]*>)?`", r"\1", line) for line in lines]


def own_signature(app, what, name, obj, options, signature, returns):
    """Return the parameters of a class as it names them, not as what checks names before passes them on."""
    if what != "class" or obj.__new__ is object.__new__ or issubclass(obj, enum.Enum):
        return None
    try:
        found = inspect.signature(obj.__init__)
    except (TypeError, ValueError):
        return None
    parameters = [own.replace(annotation=own.empty) for own in list(found.parameters.values())[1:]]
    return str(inspect.Signature(parameters)), None


# What other rooms of the package call of an estimator.
INTERNAL = {"on_row", "publish", "publish_snapshots", "result", "settings", "snapshot"}


def without_internal(app, what, name, obj, skip, options) -> bool | None:
    """Leave out methods of estimators that are no user's business."""
    internal = name in INTERNAL and getattr(obj, "__qualname__", "").startswith(("BaseTrainer.", "Trainer."))
    return True if internal else None


def setup(app) -> None:
    """Connect what is above."""
    app.connect("autodoc-process-docstring", without_references)
    app.connect("autodoc-process-signature", own_signature)
    app.connect("autodoc-skip-member", without_internal)
