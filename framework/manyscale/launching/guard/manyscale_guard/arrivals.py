"""An instance hears of its peers once they have come up, rather than when it asks the next time.

Instances ask the manager again and again, at growing intervals of up to ten seconds. The manager
answers late instead, so that few have to ask twice.
"""

from __future__ import annotations

import threading
import time
from typing import Any

_PATIENCE = 5.0  # s, then the instance is told to ask again
_GATHER = 0.05  # s; others come up at the same time


def guard_arrivals(module: Any) -> None:
    """Let who asks for peers that are not there yet wait for their arrival."""
    handler = module.MMPRequestHandler
    register, get_peers = handler._register_instance, handler._get_peers
    pending = module.ResponseType.PENDING.value
    arrived = threading.Condition()
    here: set[str] = set()

    def register_and_tell(self: Any, instance_id: str, *told: Any) -> Any:
        response = register(self, instance_id, *told)
        with arrived:
            here.add(instance_id)
            arrived.notify_all()
        return response

    def came(name: str, deadline: float) -> bool:
        with arrived:
            return arrived.wait_for(lambda: name in here, deadline - time.monotonic())

    def get_peers_in_time(self: Any, instance_id: str) -> Any:
        deadline = time.monotonic() + _PATIENCE
        response = get_peers(self, instance_id)
        while response[0] == pending and time.monotonic() < deadline:
            missing = response[1].rpartition(" ")[2]
            if not came(missing, deadline):
                break
            time.sleep(_GATHER)
            response = get_peers(self, instance_id)
        return response

    handler._register_instance = register_and_tell
    handler._get_peers = get_peers_in_time
