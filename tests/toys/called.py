"""Calls a model by hand, through the loop every host runs."""

from manyscale.hosting.door import ENVELOPE, Wire
from manyscale.hosting.effects import Begin, Mark, Receive, Send
from manyscale.hosting.loop import drive
from manyscale.hosting.plug import Plug


def message(time, fields, units, window=None, iteration=0, next_time=None):
    """A message as it travels; `units` by field, "1" if left out."""
    data = {name: [units.get(name, "1"), value] for name, value in fields.items()}
    if window is not None:
        data[ENVELOPE] = {"window": window, "iteration": iteration}
    return Wire(time, next_time, data)


def units_of(port):
    return {name: field.unit for name, field in port.fields.items()}


def call(model, feed, resumed=None, connected=None):
    """Call a model once per item of the feed: ({port: fields}, time, window, iteration).

    Returns the messages it sent by port, one list per call, and its last Progress.
    """
    ports = type(model).ports
    receiving = connected or [*feed[0][0]]
    sending = [name for name, port in ports.items() if port.operator == "o_f"]
    plug = Plug("tested", dict.fromkeys([*receiving, *sending]), read_only=True, resumed=resumed)
    loop, sent, items, item, progress, answer = drive(plug), [], iter(feed), None, None, None
    while True:
        try:
            effect = loop.send(answer)
        except StopIteration:
            return sent, progress
        answer = None
        if isinstance(effect, Begin):
            item = next(items, None)
            answer = None if item is None else model
            if item is not None:
                sent.append({})
        elif isinstance(effect, Receive):
            fields, time, *rest = item
            answer = message(time, fields[effect.port], units_of(ports[effect.port]), *rest)
        elif isinstance(effect, Send):
            sent[-1][effect.port] = {
                name: value[1] for name, value in effect.wire.data.items() if name != ENVELOPE
            }
        elif isinstance(effect, Mark):
            progress = effect.progress
