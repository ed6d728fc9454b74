"""python -m minilm distill: how long the student learns."""

import shlex

from minilm import cli
from minilm.weights import load, read_header


def test_steps_are_the_students(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("one two three. four five six! " * 60)
    train = f"train lstm --corpus {tmp_path}/text.txt --width 8 --steps 2 --context 8"
    distill = f"distill {tmp_path}/teacher.npz"
    for line in (
        f"{train} --out {tmp_path}/teacher.npz",
        f"{distill} --out {tmp_path}/short.npz",
        f"{distill} --steps 3 --out {tmp_path}/long.npz",
    ):
        assert cli.main(shlex.split(line)) == 0, capsys.readouterr().err
    steps = [read_header(tmp_path / f"{name}.npz")["recipe"]["steps"]
             for name in ("teacher", "short", "long")]  # fmt: skip
    assert steps == [2, 2, 3]
    short, longer = (load(tmp_path / f"{name}.npz") for name in ("short", "long"))
    assert any((longer[name] != w).any() for name, w in short.items())
