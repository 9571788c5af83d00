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
