"""One table of exit codes: every way to end has its own, and the commands use them."""

from manyscale.contract.refusal import Refused
from manyscale.launching import outcome


def kinds(of=Refused):
    return [kind for k in of.__subclasses__() for kind in (k, *kinds(k))]


def test_every_way_to_end_has_a_code_of_its_own():
    ours = [k for k in kinds() if k.__module__ == outcome.__name__ and k is not outcome.Interrupted]
    codes = [kind.exit_code for kind in ours]
    assert len(set(codes)) == len(codes)
    assert set(codes) <= outcome.EXIT_CODES.keys()
    assert {0, 1, 2, 129, 130, 143} <= outcome.EXIT_CODES.keys()
    assert len({kind.word for kind in ours}) == len(ours)
