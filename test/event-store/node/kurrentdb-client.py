"""Appends, reads both ways, subscribes with filters and catches up on a node, through kurrentdbclient.

Prints one JSON object of what it saw; the test that runs it says what that must be.
"""

import json
import sys
import uuid

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import NotFoundError, StreamIsDeletedError, WrongCurrentVersionError

client = KurrentDBClient(sys.argv[1])
seen = {}


def events(kind, count):
    return [NewEvent(type=kind, data=json.dumps({"n": n}).encode(), id=uuid.uuid4()) for n in range(count)]


def numbers(recorded):
    return [json.loads(event.data)["n"] for event in recorded]


def taken(subscription, count):
    got = []
    for event in subscription:
        got.append(event)
        if len(got) >= count:
            break
    subscription.stop()
    return got


first = client.append_to_stream("order-1", current_version=StreamState.NO_STREAM, events=events("Placed", 5))
second = client.append_to_stream("order-1", current_version=4, events=events("Shipped", 3))
client.append_to_stream("invoice-1", current_version=StreamState.ANY, events=events("Billed", 4))
seen["positions increase"] = first < second

try:
    client.append_to_stream("order-1", current_version=1, events=events("Placed", 1))
except WrongCurrentVersionError:
    seen["conflict"] = True

repeated = events("Repeated", 2)
place = client.append_to_stream("repeat-1", current_version=StreamState.NO_STREAM, events=repeated)
again = client.append_to_stream("repeat-1", current_version=StreamState.NO_STREAM, events=repeated)
seen["repeat answers the first position"] = place == again

seen["forwards"] = numbers(client.get_stream("order-1"))
seen["backwards"] = numbers(client.get_stream("order-1", backwards=True, limit=3))
seen["from"] = numbers(client.get_stream("order-1", stream_position=6))
seen["head"] = client.get_current_version("order-1")
seen["all"] = [event.type for event in client.read_all()]
seen["all backwards"] = [event.type for event in client.read_all(backwards=True, limit=3)]
seen["all by stream"] = [
    event.type for event in client.read_all(filter_include=[r"invoice-\d+"], filter_by_stream_name=True)
]
try:
    client.get_stream("missing")
except NotFoundError:
    seen["missing"] = True

by_type = client.subscribe_to_all(filter_include=["Shipped", "Billed"])
seen["subscribed by type"] = [event.type for event in taken(by_type, 7)]
by_stream = client.subscribe_to_all(filter_include=[r"invoice-.+"], filter_by_stream_name=True)
seen["subscribed by stream"] = [event.stream_name for event in taken(by_stream, 4)]
resumed = client.subscribe_to_all(commit_position=first, filter_include=["Placed", "Shipped"])
seen["resumed after a position"] = numbers(taken(resumed, 3))
checkpoints = client.subscribe_to_all(
    filter_include=["Nothing"], include_checkpoints=True, window_size=2, checkpoint_interval_multiplier=2
)
seen["checkpoints"] = len(taken(checkpoints, 3))

live = client.subscribe_to_stream("order-1", stream_position=7)
client.append_to_stream("order-1", current_version=7, events=events("Late", 2))
seen["caught up, then live"] = [event.type for event in taken(live, 2)]

client.set_stream_metadata("order-1", metadata={"$maxCount": 2})
seen["truncated"] = numbers(client.get_stream("order-1"))
seen["metadata"] = client.get_stream_metadata("order-1")[0]
client.delete_stream("invoice-1", current_version=3)
try:
    client.get_stream("invoice-1")
except NotFoundError:
    seen["deleted"] = True
client.tombstone_stream("repeat-1", current_version=1)
try:
    client.get_stream("repeat-1")
except StreamIsDeletedError:
    seen["tombstoned"] = True
client.close()

if len(sys.argv) > 2:
    discovering = KurrentDBClient(sys.argv[2])
    seen["discovered"] = discovering.get_current_version("order-1")
    discovering.close()

print(json.dumps(seen))
