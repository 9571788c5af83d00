"""What can be said of guesses and answers before a run."""

from collections.abc import Iterator, Mapping

import manyscale as ms
from manyscale import Field
from manyscale.bridges.relaxation import PAIRS, Relaxation
from manyscale.contract.units import affine


@ms.check("RELAX01")
def answers_like_guesses(graph: ms.Graph) -> Iterator[ms.Finding]:
    """Answer a relaxation with the fields of its first guess.

    A relaxation looks for x = G(x): the answer on `xt_in` must have the float fields that the
    first guess on `initial_in` had, under the same names, in units of the same dimension, of the
    same dtype and with as many axes. The same holds for `yt_in` and `y_initial_in`, where both
    solvers are called at once. Further fields may come; they are not relaxed.

        guess.wall_out: interface.initial_in     # T_wall [K]
        solid.surface_out: interface.xt_in       # surface [degC]: wrong, T_wall is missing

    Lead the answer of the last solver of the chain to that port, and call its field as the guess.
    """
    for node in graph.nodes.values():
        if node.contract is not Relaxation:
            continue
        for guess, (_, back, _) in PAIRS.items():
            sent, came = graph.fields(node, guess), graph.fields(node, back)
            for link in graph.into(node, guess)[:1]:
                if not graph.into(node, back) and not graph.is_unsure(node, back):
                    yield ms.Finding(
                        link.at,
                        f"{node.name}.{guess} is connected and {back} is not; lead the answer to"
                        " its fields there.",
                    )
            for link in graph.into(node, back)[:1]:
                for text in _unlike(sent or {}, came):
                    yield ms.Finding(link.at, f"{node.name}.{back} {text}.")


def _unlike(sent: Mapping[str, Field], came: Mapping[str, Field] | None) -> Iterator[str]:
    """Say what is missing or of another kind; nothing where nothing is known."""
    for name, field in sent.items():
        if came is None or not field.dtype.startswith("float"):
            continue
        if name not in came:
            yield (
                f"brings {', '.join(sorted(came))} and not {name}, which the first guess has;"
                " call the field of the answer as that of the guess"
            )
            continue
        try:
            affine(came[name].unit, field.unit)
        except ms.Refused as exc:
            yield f"brings {name} in another dimension than the first guess: {exc}".rstrip(".")
        for what, mine, theirs in _kinds(field, came[name]):
            if mine != theirs:
                yield f"brings {name} with {what} {theirs}, the first guess has {what} {mine}"


def _kinds(guess: Field, answer: Field) -> Iterator[tuple[str, str, str]]:
    """Pair what both must have alike, as far as both say it."""
    yield "dtype", guess.dtype, answer.dtype
    if guess.shape is not None and answer.shape is not None:
        yield "number of axes", str(len(guess.shape)), str(len(answer.shape))
