"""What can be said of the files of a scene before a run."""

import os
from collections.abc import Iterator

import manyscale as ms
from manyscale_plugins.surface_scene import SurfaceScene, SurfaceTiles
from manyscale_plugins.surface_scene.paths import SHIPPED, nearby, paths


@ms.check("SCENE01")
def files_that_are_not_there(graph: ms.Graph) -> Iterator[ms.Finding]:
    """A file of a scene is not there.

    The settings `coarse`, `fine`, `quality`, `cloud` and `sigma_file` name files. A path counts
    from the folder of the spec it is written in, on the command line from the current folder. Run
    by `muscle_manager` alone, nobody knows these folders, and paths must be absolute.

        manyscale run lst_downscaling --set scene.coarse=lst.tif --set scene.fine=surface.nc
    """
    for instance, node in graph.instances.items():
        model = graph.model(instance)
        if not isinstance(model, (SurfaceScene, SurfaceTiles)):
            continue
        for name, setting in model.settings().items():
            given = str(getattr(model, name)) if setting.files else ""
            for path in paths(given):
                if path != SHIPPED and not os.path.exists(path):
                    key, _ = graph.values(instance).get(name, ("", None))
                    yield ms.Finding(
                        ("settings", key) if key else node.at,
                        f"{instance}.{name} names {path}, and there is no such file{nearby(path)}.",
                    )


@ms.check("SCENE02")
def another_correlation_length(graph: ms.Graph) -> Iterator[ms.Finding]:
    """Tiles and the constraint have different correlation lengths.

    A correction that is smooth over a distance reaches beyond the edges of a tile, so
    `surface_tiles` gives its tiles a halo for it. With another length than that of the
    `aggregation_constraint` behind it, the edges of tiles would be seen in the result.

        correlation_length: 1000.0        # without a component: both have it
    """
    for instance, node in graph.instances.items():
        tiles = graph.model(instance)
        if not isinstance(tiles, SurfaceTiles):
            continue
        for link in graph.out_of(node, "coarse_out"):
            for name in link.receiver.instances:
                length = getattr(graph.model(name), "correlation_length", None)
                if length is not None and length != tiles.correlation_length:
                    key, _ = graph.values(name).get("correlation_length", ("", None))
                    yield ms.Finding(
                        ("settings", key) if key else node.at,
                        f"{name}.correlation_length is {length:g} and {instance}"
                        f".correlation_length {tiles.correlation_length:g}; give both one, best"
                        " without a component.",
                    )
                    return
