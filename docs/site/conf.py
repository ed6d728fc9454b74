"""Sphinx's settings for the site. `build.py` lays out the pages and starts it: `make docs`."""

import importlib.util
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import find_pending_xref_condition

import minilm

project = "minilm"
version = release = minilm.__version__
html_show_copyright = False
root_doc = "index"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
highlight_language = "none"  # an indented block of a page is as often a formula as it is code

nb_execution_mode = "off"  # the notebooks were run when they were built
nb_render_markdown_format = "myst"  # what cells say is Markdown too, with tables and formulas
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # the same as the hosting pages give: ## What came out -> #what-came-out
suppress_warnings = ["myst.header"]  # a page may go from its title to ### at once

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False

# A constant made by another module is still this module's: else links back from sources go astray.
viewcode_follow_imported_members = False

html_theme = "furo"
html_title = "minilm"
html_copy_source = False
html_use_index = html_domain_indices = False  # the search finds names
html_css_files, html_js_files = ["site.css"], ["site.js"]

# Formulas are drawn by a MathJax of the site's own, one file and no fonts beside it: nothing is
# asked of another host when a page is opened, and a page opened from a disk looks the same.
_mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
html_static_path = ["static", str(_mathjax / "static" / "mathjax" / "tex-svg-full.js")]
mathjax_path = "tex-svg-full.js"


def as_written(app, what, name, thing, options, lines):
    """A docstring is plain text with formulas and aligned shapes: it is shown letter by letter."""
    if lines:
        lines[:] = [".. code-block:: none", "   :class: docstring", "",
                    *("   " + line for line in lines), ""]  # fmt: skip


class PagesOfFiles(SphinxPostTransform):
    """`minilm/nn/lstm.py`, said as code anywhere, leads to that page of the reference."""

    default_priority = 5

    def run(self, **kwargs):
        for literal in list(self.document.findall(nodes.literal)):
            path = re.fullmatch(r"(minilm/[\w/]+?)(/__init__)?(\.py|/)", literal.astext())
            page = "api/" + path[1].replace("/", ".") if path else None
            inside_a_link = isinstance(literal.parent, nodes.reference)
            if page in self.env.found_docs and not inside_a_link and page != self.env.docname:
                uri = self.app.builder.get_relative_uri(self.env.docname, page)
                link = nodes.reference("", "", literal.deepcopy(), internal=True, refuri=uri)
                literal.replace_self(link)


class TypesOfOthers(SphinxPostTransform):
    """`int` or `ndarray` in a signature leads nowhere: not to look for it saves much time."""

    default_priority = 5

    def run(self, **kwargs):
        for signature in self.document.findall(addnodes.desc_signature):
            for name in list(signature.findall(addnodes.pending_xref)):
                if not name["reftarget"].startswith("minilm."):
                    short = find_pending_xref_condition(name, "resolved")
                    name.replace_self((short or name).children)


def setup(app):
    app.connect("autodoc-process-docstring", as_written)
    app.add_post_transform(PagesOfFiles)
    app.add_post_transform(TypesOfOthers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
