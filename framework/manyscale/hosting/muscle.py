"""Runs one scale model as a MUSCLE3 instance: `python -m manyscale.hosting.muscle module:Class`.

The only module that imports `libmuscle.Instance`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import Any

from manyscale.hosting.put_off import put_off

with put_off():
    from libmuscle import Instance, InstanceFlags, Message
from ymmsl.v0_2 import Operator, Settings

from manyscale.contract.model import ScaleModel
from manyscale.contract.recording import ports_to_record
from manyscale.contract.refusal import Refused
from manyscale.hosting import nursery, telemetry, threads
from manyscale.hosting.checkpoint import (
    keep_record,
    load,
    pack_progress,
    refuse_other,
    save,
    unpack_progress,
)
from manyscale.hosting.door import Wire
from manyscale.hosting.effects import Begin, Loop, Mark, Receive, Record, Send
from manyscale.hosting.failure import failure
from manyscale.hosting.loop import drive
from manyscale.hosting.plug import ONE_RANK, Ended, Plug, Spread, ended_early
from manyscale.hosting.saving import Saving
from manyscale.hosting.transport.fast_path import FastPath
from manyscale.registry.registry import by_reference
from manyscale.results.record import STORE, Recorder


def main(reference: str, *options: str) -> int:
    """Host the model `module:Class` until its coupling ends; return the exit code.

    With the option `mpi`, on all ranks of the program.
    """
    gc.freeze()  # what was imported is no garbage, also when this process ends
    threads.follow_resources()
    try:
        model = by_reference(reference)
        spread = _ranks("mpi" in options)
        if model.run is not None and spread.view.size > 1:
            raise Refused(f"{model.name} owns its loop, and so it runs on one rank of this host.")
    except Refused as exc:
        print(exc, file=sys.stderr)
        return 1
    if not spread.root:
        from manyscale.hosting.mpi import follow

        return follow(model, spread)
    return host(model, spread)


def _ranks(mpi: bool) -> Any:
    if not mpi:
        return ONE_RANK
    try:
        from manyscale.hosting.mpi import world  # starts MPI
    except (ImportError, RuntimeError) as exc:  # mpi4py says either
        raise Refused(
            f"MPI cannot start: {exc}; `pip install manyscale[mpi]` brings one, or load your"
            " machine's before."
        ) from None
    return world()


def host(model: type[ScaleModel], spread: Spread = ONE_RANK) -> int:
    """Host a model class; return the exit code."""
    names: dict[Operator, list[str]] = {}
    for name, port in model.ports.items():
        names.setdefault(Operator[port.operator.upper()], []).append(name + "[]" * port.slots)
    plug = Plug(_given_name(), {}, ranks=spread)
    instance: Instance | None = None
    hosted: _Hosted | None = None
    try:
        fast = FastPath(Path.cwd())
        fast.install()
        if model.run is not None:
            instance = _joined(names)
            fast.meet(instance)
            plug.instance, plug.doing = str(instance._instance_id), "in its own loop"
            model.run(instance)
            fast.tell()
            return 0
        instance = _joined(names, InstanceFlags.USES_CHECKPOINT_API)
        fast.meet(instance)
        hosted = _Hosted(model, instance, plug)
        hosted.run()
        fast.tell()
    except (Exception, SystemExit) as exc:
        told = failure(plug, exc)
        with contextlib.suppress(OSError):  # a full disk must not hide the first cause
            telemetry.tell_failure(Path.cwd(), told)
        if hosted is not None:
            with contextlib.suppress(Exception):  # nor keep the others waiting
                hosted.end(telemetry.FAILED)
        print(f"{told['traceback']}{told['sentence']}", file=sys.stderr)
        if instance is not None:
            instance.error_shutdown(f"{told['sentence']}\n{told['traceback']}".strip())
        spread.abort()
        return 1
    return 0


def _given_name() -> str:
    """Return the name this instance was started under, before the manager confirms it."""
    options = [word.partition("=") for word in sys.argv if word.startswith("--muscle-instance=")]
    return options[-1][2] if options else os.environ.get("MUSCLE_INSTANCE", "")


def _joined(names: dict[Operator, list[str]], *flags: InstanceFlags) -> Instance:
    """Register with the manager; refuse to resume from what libmuscle cannot."""
    try:
        return Instance(names, *flags)
    except AttributeError as exc:
        if exc.name != "_wall":
            raise
        raise Refused(
            "A run that resumes needs the section `checkpoints:`; add the file that has it."
        ) from None
    except RuntimeError as exc:
        if "snapshot" not in str(exc):
            raise
        raise Refused(f"{exc}") from None


class _Hosted:
    """One instance: performs the effects of the loop with libmuscle."""

    def __init__(self, model: type[ScaleModel], instance: Instance, plug: Plug) -> None:
        self.model, self.instance, self.plug = model, instance, plug
        plug.instance = str(instance._instance_id)
        self.telemetry = telemetry.Telemetry(Path.cwd())
        plug.heard = self.telemetry.does
        called_by = {
            name
            for name, port in model.ports.items()
            if port.operator == "f_init" and not port.plain and instance.is_connected(name)
        }
        self.saving = Saving(instance, called_by, Path.cwd().parent.parent.parent)
        self.recorder: Recorder | None = None
        self._overlay: Settings | None = None
        self._configured: ScaleModel | None = None
        self._begun = False
        self._last_time: dict[str, float] = {}
        self._samples = any(port.overlay for port in model.ports.values())
        self._loops = any(port.operator in ("o_i", "s") for port in model.ports.values())
        self._universe: dict[int | None, Settings] = {}

    def run(self) -> None:
        """Go through all passes."""
        self._plug_in()
        with contextlib.closing(drive(self.plug)) as loop:
            self._perform(loop)
        self.end(telemetry.DONE)

    def _perform(self, loop: Loop) -> None:
        answer: Any = None
        while True:
            try:
                effect = loop.send(answer)
            except StopIteration:
                break
            answer = None
            if isinstance(effect, Receive):
                answer = self._receive(effect.port, effect.slot)
            elif isinstance(effect, Send):
                self._send(effect)
            elif isinstance(effect, Mark):
                self.telemetry.turn(effect.now, counts=not (effect.final and self.plug.turns))
                self._show()
                self._checkpoint(effect)
            elif isinstance(effect, Begin):
                answer = self._begin()
            elif isinstance(effect, Record):
                assert self.recorder is not None
                self.recorder.take(effect.port, effect.time, effect.messages, effect.fields)

    def _show(self, *, at_once: bool = False) -> None:
        """Let a watcher see what the engine shows."""
        if self.plug.engine is not None:
            self.telemetry.show(self.plug.engine.standing(), at_once=at_once)

    def end(self, phase: int) -> None:
        """Finish the record and say how it ended."""
        try:
            self._show(at_once=True)
            if self.recorder is not None:
                self.recorder.close()
        except BaseException:
            phase = telemetry.FAILED
            raise
        finally:
            self.telemetry.tell(phase)

    def _plug_in(self) -> None:
        instance, plug = self.instance, self.plug
        plug.lengths = {
            name: instance.get_port_length(name) if port.slots else None
            for name, port in self.model.ports.items()
            if instance.is_connected(name)
        }
        plug.run_seed = instance.get_setting("run_seed", "int", default=0)
        plug.seed_name = instance.get_setting("seed_name", "str", default="")
        wanted = instance.get_setting("record", "str", default="")
        plug.recorded = ports_to_record(self.model, wanted, plug.instance)
        if plug.recorded:
            self.recorder = Recorder(Path(STORE), self.model, plug.instance, plug.recorded)
        plug.ranks.tell(
            {
                "instance": plug.instance,
                "lengths": dict(plug.lengths),
                "seed": plug.run_seed,
                "seed_name": plug.seed_name,
                "recorded": sorted(plug.recorded),
            }
        )

    def _begin(self) -> ScaleModel | None:
        self.plug.does("waiting to begin", None)
        if not self.instance.reuse_instance():
            self._keep_old_record()
            self.plug.ranks.tell(None)
            return None
        self._begun = True
        resumed = self._resume() if self.instance.resuming() else None
        self.instance.should_init()  # asked because it must be; the snapshot says the same
        model = self._with_settings()
        values = {name: getattr(model, name) for name in model.settings()}
        self.plug.ranks.tell({"settings": values, "resumed": resumed})
        return model

    def _keep_old_record(self) -> None:
        """Take over the record of an instance that had nothing left to do when it was saved."""
        manager = self.instance._snapshot_manager
        if self._begun or self.recorder is None or not manager.resuming_from_final():
            return
        seal = manager.load_snapshot().data
        refuse_other(seal, self.plug.ranks.view.size)
        if seal["record"]:
            self.recorder.take_over(Path(seal["record"]))

    def _with_settings(self) -> ScaleModel:
        overlay = self.instance._settings_manager.overlay
        if self._configured is None or overlay != self._overlay:
            self._overlay = overlay
            self._configured = self.model.with_settings(self._settings())
            time = self._configured.scales().time
            if time is not None and self._loops:
                self.telemetry.until(time.extent)
        return self._configured

    def _checkpoint(self, mark: Mark) -> None:
        """Save a snapshot if one is due; at the end of a pass this waits for the next one."""
        if mark.final:
            self.plug.does("waiting to begin", None)
        if not self.saving.due(mark.now, final=mark.final):
            self.plug.ranks.tell("")
            return
        data = pack_progress(self.model, mark.progress, self.plug)
        data["counted"] = self.telemetry.turns
        path = self._snapshot_path()
        self.plug.ranks.tell(str(path))
        record = keep_record(path, self.recorder)
        checksums = self.plug.ranks.sealed(save(path, 0, data, self.plug))
        seal = {"path": str(path), "checksums": checksums, "record": record}
        tell = self.instance.save_final_snapshot if mark.final else self.instance.save_snapshot
        tell(Message(mark.now, data=seal))

    def _snapshot_path(self) -> Path:
        """Return where libmuscle's own snapshot will lie, without suffix."""
        manager = self.instance._snapshot_manager
        name = f"{manager._safe_id}_{manager._next_snapshot_num}"
        return Path(manager._snapshot_directory, name)

    def _resume(self) -> tuple[str, list[str]]:
        """Take up what a snapshot holds; return where the other ranks find their parts."""
        seal = self.instance.load_snapshot().data
        refuse_other(seal, self.plug.ranks.view.size)
        path = Path(seal["path"])
        data = load(path, 0, seal["checksums"])
        if self.recorder is not None and seal["record"]:
            self.recorder.take_over(Path(seal["record"]))
        self.plug.resumed = unpack_progress(self.model, data, self.plug)
        self.telemetry.resume(self.plug.resumed.now, data["counted"])
        return str(path), seal["checksums"]

    def _settings(self) -> dict[str, Any]:
        found = {}
        for name in self.model.settings():
            try:
                found[name] = self.instance.get_setting(name)
            except KeyError:
                continue
        return found

    def _receive(self, name: str, slot: int | None) -> Wire:
        port = self.model.ports[name]
        # who sends overlays hears from many universes, everybody else from one
        many = self._samples and port.operator == "s"
        hear = self.instance.receive_with_settings if many else self.instance.receive
        self.plug.does(f"receiving {name}", self.plug.at)
        try:
            message = hear(name, slot)
        except RuntimeError as exc:
            if "was closed while" not in str(exc):
                raise
            sentence = ended_early(self.plug.instance, name, self._last_time.get(name))
            raise Ended(sentence) from None
        self._last_time[name] = message.timestamp
        return Wire(message.timestamp, message.next_timestamp, message.data)

    def _send(self, effect: Send) -> None:
        wire, slot = effect.wire, effect.slot
        port = self.model.ports[effect.port]
        bare = port.plain or port.overlay
        data = wire.data if bare else self.saving.marked(wire.data)
        # given here, libmuscle need not copy the message to add it
        overlay = self.instance._settings_manager.overlay
        message = Message(wire.time, wire.next_time, data, overlay)
        if self._samples:
            if port.overlay:
                message.data = Settings(wire.data)
                universe = overlay.copy()
                for name, value in message.data.items():
                    universe[name] = value
                self._universe[slot] = universe
            else:
                message.settings = self._universe.get(slot, overlay)
        self.instance.send(effect.port, message, slot)


if __name__ == "__main__":
    nursery.born()
    sys.exit(main(*sys.argv[1:]))
