"""A broken or malicious peer gets an error: never is a process ended by a signal."""

import pytest

from messages import hostile
from messages.children import run_each

FORGED = [f"{kind}|{writable}" for kind in hostile.FORGED for writable in (True, False)]
ONCE = (
    "map_what_cannot_be_written",
    "map_any_size",
    "spoil_a_segment",
    "shrink_beneath_a_reader",
    "write_to_a_received_array",
    "hand_descriptors_to_a_receiver",
    "hand_descriptors_to_a_sender",
)


def ended(code, all_of_them, one):
    """Return what a child said that did what is hostile, nothing if all was well."""
    return run_each(f"messages.hostile:{code}", *all_of_them)[one]


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_descriptor_is_refused(kind):
    assert not ended("map_forged", FORGED, kind)


@pytest.mark.parametrize("name", ONCE)
def test_what_is_hostile_is_refused(name):
    assert not ended("try_it", ONCE, name)


@pytest.mark.parametrize("name", hostile.PACKETS)
def test_a_malicious_packet_is_an_error(name):
    assert not ended("send_packet", hostile.PACKETS, name)


@pytest.mark.parametrize("name", hostile.DESCRIPTIONS)
def test_a_description_of_no_array_is_an_error(name):
    assert not ended("describe", hostile.DESCRIPTIONS, name)


@pytest.mark.parametrize("name", hostile.INLINE)
def test_bytes_of_no_array_are_an_error(name):
    assert not ended("describe_inline", hostile.INLINE, name)


SEEDS = [str(seed) for seed in range(20)]


@pytest.mark.parametrize("seed", SEEDS)
def test_garbage_in_a_ring_is_an_error(seed):
    assert not ended("garbage_in_the_ring", SEEDS, seed)
