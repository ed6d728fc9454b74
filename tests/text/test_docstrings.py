"""Docstrings are read from source files, none of which is run."""

import sysconfig

import pytest

from minilm.text import library_docstrings

LONG = "Say in more than forty characters what this is for."


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_which_strings_are_taken_and_in_what_order(tmp_path):
    write(
        tmp_path / "b.py",
        f'"""The module b. {LONG}"""\nimport no_such_module\n'
        f'class C:\n    """The class C. {LONG}\n\n        Indented.\n    """\n'
        f'    async def method(self):\n        """The method. {LONG}"""\n'
        f'def f():\n    """The function f. {LONG}"""\n'
        'def short():\n    """Short."""\n'
        f'def accent():\n    """Déjà vu. {LONG}"""\n'
        f'def again():\n    """The function f. {LONG}"""\n',
    )
    write(tmp_path / "a" / "__init__.py", f'"""The package a. {LONG}"""\n')
    assert library_docstrings(tmp_path).split("\n\n") == [
        f"The package a. {LONG}",
        f"The module b. {LONG}",
        f"The class C. {LONG}",
        "Indented.",
        f"The method. {LONG}",
        f"The function f. {LONG}",
    ]


def test_tests_and_installed_packages_are_left_out_and_broken_files_passed_over(tmp_path):
    for name in ("test/x.py", "json/tests/x.py", "site-packages/x.py", "dist-packages/x.py"):
        write(tmp_path / name, f'"""From {name}. {LONG}"""')
    write(tmp_path / "syntax.py", f'"""Broken. {LONG}"""\ndef (')
    write(tmp_path / "bytes.py", b'"""\xff\xfe not UTF-8"""')
    write(tmp_path / "null.py", b'"""x"""\0')
    write(tmp_path / "latin.py", b'# coding: latin-1\n"""' + LONG.encode() + b'"""\nx = "\xe4"\n')
    assert library_docstrings(tmp_path) == LONG


def test_a_python_without_sources_says_so(tmp_path):
    with pytest.raises(ValueError, match="'python-library': found no source files"):
        library_docstrings(tmp_path)


@pytest.mark.slow
def test_this_pythons_own_library_is_large_and_plain():
    text = library_docstrings()
    assert len(text) > 1_000_000 and text.isascii()
    assert sysconfig.get_paths()["stdlib"] not in text
