"""Finds plugins by their entry points; one broken plugin never hides the others."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, cast

import pluggy

from manyscale.contract.diagnostics import Check
from manyscale.contract.model import ScaleModel
from manyscale.contract.quantities import COMMON, Quantity
from manyscale.contract.refusal import Refused, nearest
from manyscale.registry import hooks

ON_RANKS = "_mpi"
"""Ends the name of the program that runs a model on several MPI ranks."""
FACTORIES = {"farm": "manyscale.bridges.farm:farm", "worker": "manyscale.bridges.farm:worker"}
"""Models for models, by the word that ends the names of their programs."""


@dataclass(frozen=True)
class Entry:
    """A registered model and who offers it."""

    model: type[ScaleModel]
    plugin: str
    distribution: str
    version: str

    @property
    def reference(self) -> str:
        """`module:Class`, as a host is told."""
        return f"{self.model.__module__}:{self.model.__qualname__}"


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be loaded, and why."""

    plugin: str
    distribution: str
    reason: str


@dataclass
class Registry:
    """All models and quantities that are offered, and what is broken."""

    models: dict[str, Entry] = field(default_factory=dict)
    quantities: dict[str, Quantity] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    clashes: dict[str, list[Entry]] = field(default_factory=dict)
    _loaded: list[tuple[EntryPoint, ModuleType]] = field(default_factory=list)

    @cached_property
    def checks(self) -> dict[str, Check]:
        """All checks by code; a plugin whose checks fail to load is noted as broken."""
        found: dict[str, Check] = {}
        for point, module in self._loaded:
            try:
                for one in _asked(module, "manyscale_checks"):
                    if not isinstance(one, Check):
                        raise TypeError(f"manyscale_checks offers {one!r}, which is no Check")
                    if found.setdefault(one.code, one) is not one:
                        raise TypeError(f"the code {one.code} of its check is taken")
            except Exception as exc:
                self.broken.append(_broken(point, exc))
        return dict(sorted(found.items()))

    @property
    def programs(self) -> dict[str, Entry]:
        """Entries by the names a spec imports: the models, and `MODEL_mpi` of those with ranks."""
        ranked = {
            f"{name}{ON_RANKS}": entry
            for name, entry in self.models.items()
            if entry.model.capabilities.parallel == "mpi"
        }
        return {**ranked, **self.models}

    @cached_property
    def farms(self) -> dict[str, Entry]:
        """Entries of all models that are made for others: `MODEL_farm`, `MODEL_farm_mpi`, ..."""
        words = [*FACTORIES, *(f"{word}{ON_RANKS}" for word in FACTORIES)]
        names = [f"{model}_{word}" for model in self.models for word in words]
        return {name: made for name in names if (made := self.made(name)) is not None}

    def made(self, name: str) -> Entry | None:
        """Return the entry of `MODEL_farm` and the like, None if there is no such thing."""
        base, _, word = name.removesuffix(ON_RANKS).rpartition("_")
        if base not in self.models or word not in FACTORIES:
            return None
        entry = self.models[base]
        try:
            model = by_reference(f"{FACTORIES[word]}@{entry.reference}")
        except Refused:
            return None
        on_ranks = name.endswith(ON_RANKS)
        if on_ranks and model.capabilities.parallel != "mpi":
            return None
        return Entry(model, entry.plugin, entry.distribution, entry.version)

    def known(self, reference: str) -> type[ScaleModel] | None:
        """Return the registered model of a reference, or one that is made for it, else None."""
        factory, _, argument = reference.partition("@")
        if not argument:
            return self._references.get(reference)
        model = self._references.get(argument)
        if model is None or factory not in FACTORIES.values():
            return None
        return by_reference(reference)

    @cached_property
    def _references(self) -> dict[str, type[ScaleModel]]:
        return {entry.reference: entry.model for entry in self}

    def find(self, name: str) -> Entry:
        """Return a model by name, or refuse the name with the nearest one."""
        if name in self.clashes:
            raise Refused(clash_of(self.clashes[name]))
        if name in self.models:
            return self.models[name]
        hidden = "".join(f" Plugin {b.plugin} is BROKEN: {b.reason}" for b in self.broken)
        raise Refused(f"No model is called {name!r}.{nearest(name, self.programs)}{hidden}")

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.models.values())


@cache
def load() -> Registry:
    """Return the registry of everything that is installed."""
    return build(entry_points(group=hooks.ENTRY_POINTS))


def build(points: Iterable[EntryPoint]) -> Registry:
    """Return a registry of the given entry points, each loaded under guard."""
    registry = Registry(quantities={q.name: q for q in COMMON})
    for point in sorted(points, key=lambda p: (p.name, p.value)):
        distribution = point.dist.name if point.dist else "?"
        version = point.dist.version if point.dist else "?"
        try:
            module = point.load()
            found = _offered(module)
        except BaseException as exc:  # a plugin may even call sys.exit at import
            if isinstance(exc, KeyboardInterrupt):
                raise
            registry.broken.append(_broken(point, exc))
            continue
        registry._loaded.append((point, module))
        for model in found["manyscale_models"]:
            _add(registry, Entry(model, point.name, distribution, version))
        for quantity in found["manyscale_quantities"]:
            known = registry.quantities.setdefault(quantity.name, quantity)
            if known.unit != quantity.unit:
                reason = f"quantity {quantity.name} [{quantity.unit}] is known in [{known.unit}]"
                registry.broken.append(Broken(point.name, distribution, reason))
    return registry


def _offered(module: ModuleType) -> Mapping[str, list[Any]]:
    """Ask one plugin, on a manager of its own, so that its failure stays its own."""
    models = _asked(module, "manyscale_models")
    for model in models:
        if not (isinstance(model, type) and issubclass(model, ScaleModel)):
            raise TypeError(f"manyscale_models offers {model!r}, which is no ScaleModel class")
        if not model.name.isidentifier():
            raise TypeError(f"a model cannot be called {model.name!r} in a coupling spec")
    return {
        "manyscale_models": models,
        "manyscale_quantities": _asked(module, "manyscale_quantities"),
    }


def _asked(module: ModuleType, hook: str) -> list[Any]:
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    manager.register(module)
    manager.check_pending()
    if not manager.get_hookcallers(module):
        raise TypeError("implements no hook of manyscale; is @ms.hookimpl missing?")
    return [one for some in getattr(manager.hook, hook)() for one in some]


def _broken(point: EntryPoint, exc: BaseException) -> Broken:
    distribution = point.dist.name if point.dist else "?"
    return Broken(point.name, distribution, f"{type(exc).__name__}: {exc}".splitlines()[0])


def _add(registry: Registry, entry: Entry) -> None:
    name = entry.model.name
    if name in registry.clashes:
        registry.clashes[name].append(entry)
    elif name not in registry.models:
        registry.models[name] = entry
    elif registry.models[name].model is not entry.model:
        registry.clashes[name] = [registry.models.pop(name), entry]


def clash_of(entries: Sequence[Entry]) -> str:
    """Return the sentence for several models of one name."""
    offers = ", ".join(f"one of {e.distribution} (plugin {e.plugin})" for e in entries)
    many = {2: "Two", 3: "Three"}.get(len(entries), str(len(entries)))
    name = entries[0].model.name
    return f"{many} models are called {name!r}: {offers}; uninstall all but one, or rename it."


def by_reference(reference: str) -> type[ScaleModel]:
    """Return the class that `module:Class` or `module:factory@module:Class` names.

    A factory makes a model for another model, as a farm does for its members. Raises `Refused`
    if there is none.
    """
    factory, _, argument = reference.partition("@")
    if argument:
        return cast(type[ScaleModel], _attribute(factory)(by_reference(argument)))
    model = _attribute(reference)
    if not (isinstance(model, type) and issubclass(model, ScaleModel)):
        raise Refused(f"{reference} is not a ScaleModel.")
    return model


def _attribute(reference: str) -> Any:
    module, _, name = reference.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as exc:  # whatever happens while somebody's plugin is imported
        raise Refused(
            f"{reference} cannot be loaded with {sys.executable} ({exc});"
            " install the plugin's distribution there."
        ) from None
    return found
