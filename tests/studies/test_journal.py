"""The journal of a study: whole lines, one owner, nothing lost."""

import json

import pytest

import manyscale as ms
from manyscale.studies.journal import FILE, Answer, Journal

NUMBERS = (0.1, -1e-300, 3.0)


def written(folder):
    with Journal(folder, "abc") as journal:
        journal.add(3, Answer(NUMBERS))
        journal.add(5, Answer(failure="no"))
    return folder / FILE


def test_what_was_written_is_there_to_the_bit(tmp_path):
    written(tmp_path)
    with Journal(tmp_path, "abc") as journal:
        assert journal.answers == {3: Answer(NUMBERS), 5: Answer(failure="no")}
        assert journal.failures == {5: "no"}
        journal.forget([5])
        journal.add(6, Answer((1.0,)))
    with Journal(tmp_path, "abc") as journal:
        assert sorted(journal.answers) == [3, 6]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_never_was(tmp_path, cut):
    path = written(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    lines = data[:-cut].count(b"\n")
    with Journal(tmp_path, "abc") as journal:
        assert len(journal.answers) == max(0, lines - 1)
        journal.add(9, Answer((2.0,)))
    with Journal(tmp_path, "abc") as journal:
        assert journal.answers[9] == Answer((2.0,))
        assert len(journal.answers) == max(0, lines - 1) + 1


def test_a_damaged_line_is_named(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"0.1", b"0.2"))
    with pytest.raises(ms.Refused, match=r"samples.journal, line 2, is damaged; take it out"):
        Journal(tmp_path, "abc")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    with Journal(tmp_path, "abc") as journal:
        assert sorted(journal.answers) == [5]


def test_one_study_and_one_process_at_a_time(tmp_path):
    written(tmp_path)
    with pytest.raises(ms.Refused, match="belongs to another study"):
        Journal(tmp_path, "abd")
    with Journal(tmp_path, "abc"), pytest.raises(ms.Refused, match="run by another process"):
        Journal(tmp_path, "abc")
    with Journal(tmp_path, "abc") as journal:
        assert len(journal.answers) == 2
    first = (tmp_path / FILE).read_bytes().splitlines()[0]
    assert json.loads(first.partition(b" ")[2]) == {"study": "abc"}
