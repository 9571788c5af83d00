"""The walk through thicknesses and temperatures."""

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.films import Films, kernel


def walked(model, answer):
    state = model.f_init(ms.Start(0.0), ms.Received({}))
    asked = []
    while model.clock(state).to is not None:
        case = model.o_i(state)["case_out"]
        asked.append((case["thickness"], case["temperature"]))
        fields = {"kappa_eff": answer(case), "sweeps": len(asked), "residual": 0.0}
        state = model.s(state, ms.Received({"kappa_in": ms.Contact(0.0, None, fields)}))
    return asked, model.o_f(state)


def test_every_pair_is_asked_once_and_stands_in_its_place():
    model = Films(thicknesses=[1e-8, 1e-6], temperatures=[100.0, 200.0, 300.0], dT=2.0)
    asked, sent = walked(model, lambda case: case["thickness"] * 1e9 + case["temperature"])
    assert asked == [(L, T) for L in (1e-8, 1e-6) for T in (100.0, 200.0, 300.0)]
    whole = sent["all_out"]
    np.testing.assert_allclose(
        whole["conductivity"], whole["thickness"][:, None] * 1e9 + whole["temperature"]
    )
    np.testing.assert_array_equal(whole["sweeps"], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(sent["table_out"]["conductivity"], [1100.0, 1200.0, 1300.0])


def test_the_row_that_goes_on_can_be_chosen():
    model = Films(thicknesses=[1e-8, 1e-6], temperatures=[300.0], table_thickness=1e-8)
    _, sent = walked(model, lambda case: case["thickness"])
    np.testing.assert_array_equal(sent["table_out"]["conductivity"], [1e-8])
    assert kernel.row_of([1e-8, 1e-6, 1e-7], 0.0) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"thicknesses": [1e-8, -1e-6]}, r"thicknesses is -1e-06 m, expected > 0"),
        ({"temperatures": [0.0]}, "temperatures is 0 K, expected > 0"),
        ({"dT": 0.0}, "dT is 0 K"),
        ({"table_thickness": 2e-8}, "2e-08 m is not among thicknesses, the nearest is 1e-08 m"),
        ({"temperatures": [300.0, 300.0]}, "temperatures has 300 twice"),
    ],
)
def test_lists_that_cannot_be_are_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        Films(**settings)
