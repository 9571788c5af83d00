"""What a whole file of yMMSL v0.2 may hold, as a JSON schema: `grammar` and what runs a model."""

from __future__ import annotations

from typing import Any

from manyscale.coupling.grammar import (
    MODEL,
    PORTS,
    REFERENCE,
    SUPPORTED,
    Schema,
    any_case,
)

_COUNT = {"type": "integer", "title": "a whole number", "instead": "1"}
_WORD = {"type": ["string", "null"], "title": "a text"}
_LINES = {
    "type": ["string", "array", "null"],
    "items": {"type": "string", "title": "a text", "description": "One text of several"},
}


def by_name(name: str, one: Schema, title: str, description: str, **more: Any) -> Schema:
    """Return the schema of things by name."""
    return {
        "type": ["object", "null"],
        "title": title,
        "description": description,
        "propertyNames": {"pattern": f"^{name}$"},
        "additionalProperties": one,
        **more,
    }


def _or_listed(many: Schema) -> Schema:
    """Return the schema of things by name that may also be a list with their names in it."""
    one = many["additionalProperties"]
    name = {"type": "string", "title": "a name", "description": "The name",
            "pattern": many["propertyNames"]["pattern"]}  # fmt: skip
    listed = {**one, "properties": {"name": name, **one["properties"]}, "required": ["name"]}
    return {**many, "type": ["object", "array", "null"], "items": listed}


PROGRAM: Schema = {
    "type": "object",
    "title": "a program with its executable",
    "anyOf": [{"required": [key]} for key in ("executable", "script", "execution_model")],
    "description": "A program and how it is started",
    "properties": {
        "description": {
            "type": "string",
            "title": "a text",
            "description": "What the program does",
            "instead": "''",
        },
        "ports": {**PORTS, "type": ["object", "null"], "description": "The ports it has"},
        "supported_settings": SUPPORTED,
        "executable": {**_WORD, "description": "Path of the file to execute"},
        "args": {
            **_LINES,
            "title": "a text, or a list of texts",
            "description": "Arguments; pasted into a shell script as they are",
        },
        "script": {
            **_LINES,
            "title": "a text, or a list of lines",
            "description": "Shell script that starts the program, instead of an executable",
        },
        "env": {
            "type": ["object", "null"],
            "title": "environment variables as `NAME: value`",
            "description": "Environment variables to set",
            "propertyNames": {"pattern": "^.+$"},
            "additionalProperties": {
                "type": ["string", "integer", "number", "boolean"],
                "title": "a text or a number",
                "description": "The value of this variable",
                "instead": None,
            },
            "instead": None,
        },
        "modules": {
            **_LINES,
            "title": "names of modules, or a list of them",
            "description": "Environment modules to load, separated by spaces, or a list",
            "instead": None,
        },
        "virtual_env": {
            **_WORD,
            "description": "Path of a Python environment to activate",
            "instead": None,
        },
        "base_env": any_case(
            ("manager", "login", "clean"),
            "manager, login or clean",
            "Environment to start from: the manager's, that after logging in, or the manager's"
            " without modules and virtual environments",
            type=["string", "null"],
            instead=None,
        ),
        "execution_model": any_case(
            ("direct", "openmpi", "intelmpi", "srunmpi", "manual"),
            "direct, openmpi, intelmpi, srunmpi or manual",
            "How it is started: directly, through one of the MPI launchers, or by hand",
            instead=None,
        ),
        "can_share_resources": {
            "type": "boolean",
            "title": "true or false",
            "description": "Whether it may share cores with components that wait meanwhile",
            "instead": None,
        },
        "keeps_state_for_next_use": any_case(
            ("necessary", "no", "helpful"),
            "necessary, no or helpful",
            "Whether it keeps a state from one pass to the next",
            instead=None,
        ),
    },
    "additionalProperties": False,
}
RESOURCES: Schema = {
    "type": "object",
    "title": "`threads: 1`, or `mpi_processes: 1`",
    "description": "Cores of a component: threads, or MPI processes, or nodes",
    "properties": {
        "threads": {**_COUNT, "description": "Threads of each instance, without MPI"},
        "mpi_processes": {**_COUNT, "description": "MPI processes of each instance"},
        "nodes": {**_COUNT, "description": "Nodes of each instance"},
        "mpi_processes_per_node": {**_COUNT, "description": "MPI processes on each of the nodes"},
        "threads_per_mpi_process": {**_COUNT, "description": "Threads of each MPI process"},
    },
    "anyOf": [
        {"required": ["threads"]},
        {"required": ["mpi_processes"]},
        {"required": ["nodes", "mpi_processes_per_node"]},
    ],
    "additionalProperties": False,
    "instead": None,
}
_MOMENT = {"type": ["number", "null"], "title": "a number"}
_RULES: Schema = {
    "type": ["array", "null"],
    "title": "a list of rules such as `- every: 10`",
    "instead": None,
    "items": {
        "type": "object",
        "title": "`every: 10`, or `at: [10, 20]`",
        "description": "Checkpoints at regular or at given moments",
        "properties": {
            "every": {
                "type": "number",
                "title": "a number above 0",
                "description": "Distance between checkpoints [s]",
                "exclusiveMinimum": 0,
            },
            "start": {**_MOMENT, "description": "First moment [s]", "instead": None},
            "stop": {**_MOMENT, "description": "Last moment [s]", "instead": None},
            "at": {
                "type": ["number", "array", "null"],
                "title": "a number, or a list of numbers",
                "description": "Moments of checkpoints [s]",
                "items": {"type": "number", "title": "a number", "description": "A moment [s]"},
            },
        },
        "additionalProperties": False,
        "instead": None,
    },
}
CHECKPOINTS: Schema = {
    "type": ["object", "null"],
    "title": "at_end, wallclock_time or simulation_time",
    "description": "When all components save their state",
    "instead": None,
    "properties": {
        "at_end": {
            "type": "boolean",
            "title": "true or false",
            "description": "Whether to save at the end of the run",
            "instead": None,
        },
        "wallclock_time": {**_RULES, "description": "In seconds since the start of the run"},
        "simulation_time": {**_RULES, "description": "In the time of the simulation"},
    },
    "additionalProperties": False,
}
VALUE: Schema = {
    "type": ["string", "integer", "number", "boolean", "array"],
    "title": "a number, a text, true or false, or a list of numbers",
    "description": "The value of a setting",
    "minItems": 1,
    "items": {
        "type": ["integer", "number", "array"],
        "title": "a number, or a list of numbers",
        "items": {"type": ["integer", "number"], "title": "a number"},
    },
    "instead": None,
}
_IMPORT = {
    "type": "string",
    "title": "`from MODULE import implementation NAME`",
    "description": "`from MODULE import implementation NAME`; the module `manyscale` has all"
    " registered models",
}
DOCUMENT: Schema = {
    "type": "object",
    "title": "keys such as `models:` and `settings:`",
    "description": "A coupling, or a part of it, in yMMSL v0.2",
    "properties": {
        "ymmsl_version": {
            "enum": ["v0.2"],
            "title": "v0.2",
            "description": "Version of the format: v0.2",
        },
        "description": {
            "type": "string",
            "title": "a text",
            "description": "What the file is about",
            "instead": None,
        },
        "imports": {
            "type": ["array", "null"],
            "title": "a list of lines `- from MODULE import implementation NAME`",
            "description": "Models and programs from elsewhere",
            "items": _IMPORT,
        },
        "models": _or_listed(
            by_name(REFERENCE, MODEL, "models by name", "The model that is run, and those in it")
        ),
        "settings": by_name(
            REFERENCE,
            VALUE,
            "settings as `component.name: value`",
            "`name: value` for all components, `component.name: value` for one,"
            " `component[0].name: value` for one instance",
        ),
        "programs": _or_listed(
            by_name(REFERENCE, PROGRAM, "programs by name", "Programs that components may run")
        ),
        "resources": _or_listed(
            by_name(
                REFERENCE,
                RESOURCES,
                "resources as `model.component: {threads: 1}`",
                "Cores of each component, by `model.component`",
                instead=None,
            )
        ),
        "custom_implementations": by_name(
            REFERENCE,
            {
                "type": ["string", "null"],
                "title": "the name of a program or model",
                "description": "Program or model that this component runs here",
                "pattern": f"^{REFERENCE}$",
            },
            "implementations as `model.component: name`",
            "Programs or models that run in place of those the components name",
        ),
        "checkpoints": CHECKPOINTS,
        "resume": by_name(
            REFERENCE,
            {
                "type": "string",
                "title": "the path of a snapshot",
                "description": "Snapshot to go on from",
                "instead": None,
            },
            "snapshots as `component: path`",
            "Snapshots to go on from, by component",
            instead=None,
        ),
    },
    "required": ["ymmsl_version"],
    "additionalProperties": False,
}
