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


def test_alpha_and_temperature_are_those_of_the_loss(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("one two three. four five six! " * 60)
    assert cli.main(shlex.split(
        f"train lstm --corpus {tmp_path}/text.txt --width 8 --steps 2 --context 8 "
        f"--out {tmp_path}/teacher.npz"
    )) == 0  # fmt: skip
    said = {}
    for options in ("", "--alpha 0.5 --temperature 1", "--alpha 1", "--temperature 3"):
        out = tmp_path / "student.npz"
        assert cli.main(shlex.split(f"distill {tmp_path}/teacher.npz {options} --out {out}")) == 0
        said[options] = load(out)["lstm.0.w_x"].tobytes()
    assert said[""] == said["--alpha 0.5 --temperature 1"]
    assert len(set(said.values())) == 3
    for options, name in (("--alpha 2", "alpha"), ("--temperature 0", "temperature")):
        capsys.readouterr()
        line = f"distill {tmp_path}/teacher.npz {options} --out {tmp_path}/none.npz"
        assert cli.main(shlex.split(line)) != 0
        assert name in capsys.readouterr().err
    assert not (tmp_path / "none.npz").exists()
