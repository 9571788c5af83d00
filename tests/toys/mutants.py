"""Models made from models with one declaration changed: contracts that tell a lie."""

import copy
import dataclasses

from manyscale import ROOT


def _changed(port_name, field_name, **changes):
    def factory(model):
        port = copy.copy(model.ports[port_name])
        field = port.fields[field_name]
        if "axes" in changes:  # blocks along an axis that is there no more
            field = dataclasses.replace(field, held=ROOT)
        port.fields = {
            **port.fields,
            field_name: dataclasses.replace(field, **changes),
        }
        return type(model.__name__, (model,), {"__doc__": model.__doc__, port_name: port})

    return factory


def __getattr__(name):
    """Return the factory `PORT__FIELD__ATTRIBUTE__VALUE`, for a reference in a spec."""
    parts = name.split("__")
    if len(parts) != 4:
        raise AttributeError(name)
    port, field, attribute, value = parts
    return _changed(port, field, **{attribute: bytes.fromhex(value).decode()})


def reference(port, field, attribute, value, of):
    """Return the reference of a model that differs from `of` in one attribute of one field."""
    return f"toys.mutants:{port}__{field}__{attribute}__{value.encode().hex()}@{of}"
