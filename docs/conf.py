"""Sphinx: the pages in Markdown, the tutorials as executed scripts, the reference made from the code.

``make docs`` builds it into build/docs with warnings as errors.
"""

import os
import sys
from pathlib import Path

import cpep

HERE = Path(__file__).parent
EXTENSIONS = str(HERE / "_ext")
sys.path.insert(0, EXTENSIONS)
# tutorials run in processes of their own, which import _ext too, and need no more than a core each
os.environ["PYTHONPATH"] = os.pathsep.join([EXTENSIONS, os.environ.get("PYTHONPATH", "")])
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "agg"

project = "cpep"
author = "the authors of cpep"
copyright = "the authors of cpep, Apache-2.0"
version = release = cpep.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "generated",
    "offline",
]
exclude_patterns = ["_ext", "tutorials"]
suppress_warnings = ["config.cache"]
nitpicky = True
# types of other libraries, whose inventories would have to be fetched, and names that are no part of the public API
nitpick_ignore_regex = [("py:.*", r"(?!cpep\.).*"), ("py:.*", r"cpep\.\w+\.\w+.*")]

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
highlight_language = "none"  # blocks without a language are commands and what they print
copybutton_exclude = ".linenos, .gp, .go"

default_role = "literal"  # docstrings write commands in single backquotes
strip_signature_backslash = True  # attributes such as classes_ keep their last character
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 80

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "tutorials.InOrder",
    "reset_modules": ("matplotlib", "tutorials.limit"),
    "reset_modules_order": "both",
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "parallel": 2,
    "write_computation_times": False,
    "remove_config_comments": True,
    "show_signature": False,
    "capture_repr": ("_repr_html_",),
    "plot_gallery": True,
}

html_theme = "furo"
html_title = "cpep"
html_static_path = ["_static"]
html_css_files = ["cpep.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1d5fa8", "color-brand-content": "#1d5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7db7f0", "color-brand-content": "#7db7f0"},
}
linkcheck_timeout = 20
