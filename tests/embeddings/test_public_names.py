"""What the package names, and what it costs to import it."""

import subprocess
import sys
from pathlib import Path

import minilm.embeddings as embeddings


def test_every_file_is_on_the_list():
    files = {file.name for file in Path(embeddings.__file__).parent.glob("*.py")}
    listed = {line.split()[0] for line in embeddings.__doc__.splitlines() if ".py " in line}
    assert files - {"__init__.py"} == listed


def test_public_names_are_explained():
    for name in embeddings.__all__:
        assert getattr(embeddings, name).__doc__


def test_only_the_figures_import_matplotlib():
    code = "import sys, minilm, minilm.embeddings; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
