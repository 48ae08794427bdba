"""What each client has in its transaction, so that the elements of EXEC's reply can be compared as the replies to these
commands are: a TTL or a RANDOMKEY may differ inside MULTI as much as outside.
"""

from typing import Dict, List, Optional, Sequence

from .resp import Arg, Framed, Reply

QUEUED = b"+QUEUED\r\n"


class Transactions:
    """The queues of all clients, as the oracle's replies tell of them."""

    def __init__(self) -> None:
        self.queues: Dict[int, List[Sequence[Arg]]] = {}

    def note(self, client: int, name: str, args: Sequence[Arg], reply: Framed) -> None:
        """After a command of `client`, named `name`, and its reply."""
        if reply.raw == QUEUED:
            self.queues.setdefault(client, []).append(args)
        elif name == "exec" or (name in ("discard", "reset", "quit") and not reply.reply.is_error()):
            self.queues.pop(client, None)

    def forget(self, client: int) -> None:
        """The client's connection is gone."""
        self.queues.pop(client, None)

    def commands(self, client: int, oracle: Reply, subject: Reply) -> Optional[List[Sequence[Arg]]]:
        """The commands whose replies both arrays hold, None if these are not the replies to them."""
        queue = self.queues.get(client, [])
        both = isinstance(oracle.value, list) and isinstance(subject.value, list) and oracle.kind == subject.kind
        return queue if both and len(oracle.value) == len(subject.value) == len(queue) else None
