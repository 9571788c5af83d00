"""The account that instances leave, and what people read of it."""

import json

from manyscale.hosting.transport import account
from manyscale.hosting.transport.account import RING, SOCKET, STOCK, Account, Way


def way(sender, kind=RING, why=""):
    return Way(sender, "b.heard", kind, why, 5, 10**6)


def test_an_account_comes_back_as_it_was_left(tmp_path):
    left = Account((way("a.told"), way("a.more", STOCK, "it is far")), 10**9, 10**6, 3)
    account.write(tmp_path, left)
    assert account.read([tmp_path]) == [left]
    assert [path.name for path in tmp_path.iterdir()] == [account.FILE]


def test_what_cannot_be_read_is_passed_over(tmp_path):
    for name, text in {
        "none": None,
        "cut": '{"ways": [',
        "other": "[]",
        "older": '{"ways": [{"sender": "a"}], "budget": 1, "used": 0, "refused": 0}',
        "newer": '{"ways": [], "budget": 1, "used": 0, "refused": 0, "more": 1}',
    }.items():
        (tmp_path / name).mkdir()
        if text is not None:
            (tmp_path / name / account.FILE).write_text(text)
    good = tmp_path / "good"
    good.mkdir()
    account.write(good, Account((), 1, 0, 0))
    assert account.read(sorted(tmp_path.iterdir())) == [Account((), 1, 0, 0)]


def test_nothing_is_told_of_nothing():
    assert account.lines([]) == []
    assert account.lines([Account((), 10, 0, 0)]) == []


def test_fast_conduits_are_counted_and_others_named_with_their_reason():
    one = Account((way("a.told"), way("a.more", STOCK, "it is far")), 2 * 10**6, 10**6, 0)
    two = Account((way("c.told", STOCK, "it is far"), way("c.x", SOCKET, "no ring")), 10**6, 0, 0)
    told = account.lines([one, two])
    assert told == [
        "1 of 4 conduits between instances go through memory (1 MB of at most 3 MB used).",
        "a.more -> b.heard and 1 more: stock: it is far.",
        "c.x -> b.heard: socket: no ring.",
    ]


def test_messages_that_were_copied_are_told():
    told = account.lines([Account((way("a.told"),), 1, 1, 4), Account((), 1, 1, 3)])
    assert told[-1].startswith("7 messages with large arrays found no free segment")


def test_it_is_plain_data(tmp_path):
    account.write(tmp_path, Account((way("a.told"),), 1, 2, 3))
    data = json.loads((tmp_path / account.FILE).read_text())
    assert data["ways"][0]["way"] == "ring"
    assert (data["budget"], data["used"], data["refused"]) == (1, 2, 3)
