"""Five mistakes in one spec: all are told, in words that a newcomer understands."""

from pathlib import Path

from click.testing import CliRunner

from manyscale.cli import manyscale

HERE = Path(__file__).parent / "golden"


def test_five_mistakes_are_told_as_written(monkeypatch):
    monkeypatch.chdir(HERE)
    result = CliRunner().invoke(manyscale, ["check", "five_mistakes.ymmsl"])
    assert result.exit_code == 1
    told = "\n".join(line.rstrip() for line in result.output.splitlines()) + "\n"
    assert told == (HERE / "five_mistakes.txt").read_text()
