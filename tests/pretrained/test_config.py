import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.pretrained import Config, read_config


def config(**values):
    return Config("c.json", values)


def written(folder, content):
    (folder / "config.json").write_bytes(
        content if isinstance(content, bytes) else json.dumps(content).encode()
    )
    return folder


def test_a_config_as_it_is_published(tmp_path):
    found = read_config(written(tmp_path, {
        "model_type": "bert", "num_hidden_layers": 6, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "use_cache": True, "head_dim": None, "rope_parameters": {"rope_theta": 10000},
        "architectures": ["BertModel"],
    }))
    assert found.model_type == "bert"
    assert found.whole("num_hidden_layers", least=1) == 6
    assert found.number("layer_norm_eps") == 1e-12
    assert found.flag("use_cache") is True
    assert found.text("hidden_act") == "gelu"
    assert found.choice("hidden_act", {"gelu": "exact_gelu"}) == "exact_gelu"
    assert found.choice("hidden_act", ["relu", "gelu"]) == "gelu"
    theta = found.section("rope_parameters").number("rope_theta", least=1)
    assert (theta, type(theta)) == (10000.0, float)
    assert read_config(str(tmp_path)).values == found.values


@pytest.mark.parametrize("values", [{}, {"x": None}])
def test_what_is_left_out_or_null_has_its_default(values):
    absent = Config("c.json", values)
    assert absent.whole("x", 5) == 5
    assert absent.whole("x", None) is None
    assert absent.number("x", 0.5, least=1) == 0.5
    assert absent.flag("x", False) is False
    assert absent.text("x", "a") == "a"
    assert absent.choice("x", {"a": 1}, "a") == 1
    assert absent.choice("x", {"a": 1}, None) is None
    assert absent.section("x", None) is None
    found = "is null" if values else "is missing"
    for ask in (absent.whole, absent.number, absent.flag, absent.text, absent.section):
        with pytest.raises(ValueError, match=f"c.json: x {found}, and has no default"):
            ask("x")
    with pytest.raises(ValueError, match=f"c.json: x {found}"):
        absent.choice("x", ["a"])


BIG = 10**400


@pytest.mark.parametrize(("ask", "value", "error"), [
    (lambda c: c.whole("x"), 12.0, "x is 12.0, expected a whole number from 0 to 2147483647"),
    (lambda c: c.whole("x"), True, "x is True, expected a whole"),
    (lambda c: c.whole("x"), "12", "x is '12', expected a whole"),
    (lambda c: c.whole("x"), -1, "x is -1, expected a whole"),
    (lambda c: c.whole("x", 3, least=1), 0, "x is 0, expected a whole number from 1 to"),
    (lambda c: c.whole("x"), 2**31, "x is 2147483648, expected a whole number from 0 to 2147"),
    (lambda c: c.whole("x"), BIG, r"x is 10{5,}\.\.\.0+, expected a whole"),
    (lambda c: c.whole("x"), [1], r"x is \[1\], expected a whole"),
    (lambda c: c.number("x"), "1e-5", "x is '1e-5', expected a finite number$"),
    (lambda c: c.number("x"), False, "x is False, expected a finite number$"),
    (lambda c: c.number("x"), float("nan"), "x is nan, expected a finite number$"),
    (lambda c: c.number("x"), float("inf"), "x is inf, expected"),
    (lambda c: c.number("x"), BIG, "x is 10.*, expected a finite number$"),
    (lambda c: c.number("x", least=0), -0.1, "expected a finite number, 0 or more$"),
    (lambda c: c.flag("x"), 1, "x is 1, expected true or false"),
    (lambda c: c.flag("x", True), "false", "x is 'false', expected true or false"),
    (lambda c: c.text("x"), 3, "x is 3, expected a string"),
    (lambda c: c.choice("x", {"gelu": 1, "relu": 2}), "silu",
     "x is 'silu', expected one of 'gelu', 'relu'"),
    (lambda c: c.choice("x", ["gelu"], "gelu"), ["gelu"], r"x is \['gelu'\], expected a string"),
    (lambda c: c.section("x"), [], r"x is \[\], expected an object"),
    (lambda c: c.section("x").whole("y"), {"y": 0.5}, "c.json, x: y is 0.5, expected a whole"),
    (lambda c: c.model_type, 3, "c.json: model_type is 3, expected a string"),
])
def test_values_that_are_refused(ask, value, error):
    with pytest.raises(ValueError, match=error) as raised:
        ask(config(x=value, model_type=value))
    assert str(raised.value).startswith("c.json") and len(str(raised.value)) < 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=5,
)


@given(json_values)
@settings(max_examples=60, deadline=None)
def test_any_value_is_what_was_asked_for_or_a_value_error(value):
    found = config(x=value)
    for ask, kind in ((found.whole, int), (found.number, float), (found.flag, bool),
                      (found.text, str), (found.section, Config)):
        try:
            assert type(ask("x")) is kind
        except ValueError as error:
            assert "c.json: x is " in str(error)


@pytest.mark.parametrize(("content", "error"), [
    (b"", r"config.json', line 1: no JSON: Expecting value"),
    (b"\n{", r"config.json', line 2: no JSON"),
    (b"[]", r"config.json': must be a JSON object, got \[\]"),
    (b"null", "config.json': must be a JSON object, got None"),
    (b"\xff\xfe{}", "config.json', line 1: is not UTF-8"),
    (b'{"a": 1, "a": 2}', "config.json': 'a' stands there twice"),
    (b"[" * 1_000_000, "config.json': is nested too deep"),
    (b'{"a":' * 100_000, "config.json': is nested too deep"),
    (b" " * 10_000_001, "config.json': has 10,000,001 bytes, at most 10,000,000"),
])
def test_files_that_are_no_objects(tmp_path, content, error):
    with pytest.raises(ValueError, match=error):
        read_config(written(tmp_path, content))


def test_numbers_that_json_can_spell(tmp_path):
    found = read_config(written(tmp_path, b'{"a": 1e400, "b": -0, "c": NaN, "d": -0.0, "e": 1E2}'))
    for key in "ac":
        with pytest.raises(ValueError, match=f"config.json: {key} is .*, expected a finite"):
            found.number(key)
    assert found.whole("b") == 0 and found.number("d", least=0) == 0
    assert found.number("e") == 100
    with pytest.raises(ValueError, match=r"e is 100.0, expected a whole"):
        found.whole("e")


def test_folders_without_a_config(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config.json in '.*': it holds no files"):
        read_config(tmp_path)
    for number in range(25):
        (tmp_path / f"{number:02}").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"it holds 00, 01, .*, 19 and 5 more$"):
        read_config(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is nothing of that name"):
        read_config(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="there is a file of that name"):
        read_config(tmp_path / "00")
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ValueError, match=r"config\.json': is not a file"):
        read_config(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have names here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ValueError, match=r"config\.json': is not a file"):
        read_config(tmp_path)
