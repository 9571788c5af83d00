"""What can be said of a mode table before a run."""

from collections.abc import Iterator

import manyscale as ms
from manyscale_plugins.phonon_modes import PhononModes


@ms.check("PHON01")
def mode_table(graph: ms.Graph) -> Iterator[ms.Finding]:
    """A mode table cannot be used.

    `table_file` names a table that comes with the plugin, `silicon_pbesol`, or the full path of
    a `kappa-m*.hdf5` that phono3py wrote with --br. The file is read before the run: it must be
    there, be phono3py's, have lifetimes, no negative linewidths and no imaginary modes, and, if
    `temperature` is used, reach it.

        modes.table_file: /data/kappa-m111111.hdf5

    The sentence says what is wrong with the file and how phono3py is asked for a better one.
    """
    for instance, node in graph.instances.items():
        model = graph.model(instance)
        if not isinstance(model, PhononModes) or not model.table_file:
            continue
        key, _ = graph.values(instance).get("table_file", ("", None))
        why = _unusable(model, asked=not graph.into(node, "case_in"))
        if why:
            at = ("settings", key) if key else node.at
            yield ms.Finding(at, f"{instance}: {why}.")


def _unusable(model: PhononModes, asked: bool) -> str:
    from manyscale_plugins.phonon_modes import table

    try:
        found = table.read(table.path_of(model.table_file))
        if asked:
            table.at(found, model.temperature)
    except ValueError as exc:
        return str(exc)
    return ""
