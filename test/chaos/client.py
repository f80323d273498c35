"""A chat client in another language, for the chaos runs: plain `websockets`, no library of ours.

It stays in one room, sends its own messages and repeats the unacknowledged ones with the same ids after each
reconnect, has its own connection cut at random instants (each told as `cut` with how many are `left`), and writes down everything in a journal (NDJSON, the entries
of checker.ts). What to do comes as one JSON object on the first line of stdin; then lines with `op`:
`settle` (no more cuts and new messages; answers `settled` once all is acknowledged), `finish` with `head` (answers
`finished` once the cursor is there, and ends). It answers with JSON lines on stdout.
"""

import asyncio
import json
import os
import random
import sys
import uuid

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

IN_FLIGHT_MAX = 8
RECONNECT_PAUSE_S = 0.02
GIVE_UP_S = 60
TEXTS = [
    "hello",
    "caf\u00e9 \u2615 \U0001f469\u200d\U0001f4bb \u0645\u0631\u062d\u0628\u0627 \u4f60\u597d",
    "<b>&amp;</b> ' \" \\ \\u0041",
    "control \x01\x02\x1b[31m \x7f \u2028\u2029",
    "line\nline\r\n\ttab",
    "\ufeff \u00a0 trailing ",
    "long " * 300,
]


class Client:
    def __init__(self, config, journal):
        self.config = config
        self.random = random.Random(config["seed"])
        self.journal = journal
        self.cursor = -1
        self.log = None
        self.unacked = {}  # id -> (command, data), in the order of first sending
        self.in_flight = set()
        self.own_messages = []
        self.cuts_left = config["cuts"]
        self.sent_count = 0
        self.settling = False
        self.head = None
        self.socket = None
        self.asked = -1  # the cursor of the last subscribe
        self.tasks = []  # of the connection
        self.hold_s = 0  # what the last refusal asked to wait
        self.changed = asyncio.Event()

    def note(self, kind, **fields):
        self.journal.write(json.dumps({"kind": kind, **fields}) + "\n")

    def touch(self):
        self.changed.set()

    async def wait_for_change(self, timeout_s):
        self.changed.clear()
        # Not `wait_for`, which before Python 3.12 forgets a cancellation that comes with the change.
        try:
            async with asyncio.timeout(timeout_s):
                await self.changed.wait()
        except TimeoutError:
            pass

    # One connection after the other, until finished.

    async def run(self):
        loop = asyncio.get_running_loop()
        alive_at = loop.time()
        while not self.is_finished():
            if loop.time() - alive_at > GIVE_UP_S:
                raise RuntimeError(f"no connection for {GIVE_UP_S} s")
            try:
                headers = {"Authorization": f"Bearer {self.config['token']}"}
                async with connect(
                    self.config["url"], subprotocols=["verbatim.v1"], additional_headers=headers, open_timeout=10
                ) as socket:
                    try:
                        await self.converse(socket)
                    finally:
                        alive_at = loop.time()
            except (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, TimeoutError):
                await asyncio.sleep(RECONNECT_PAUSE_S * (0.5 + self.random.random()))

    def is_finished(self):
        return self.head is not None and self.cursor >= self.head and not self.unacked

    async def converse(self, socket):
        self.socket = socket
        self.in_flight.clear()
        self.tasks = [asyncio.create_task(self.send_messages(socket)), asyncio.create_task(self.cut(socket))]
        try:
            await self.subscribe(socket, 0)
            async for text in socket:
                self.receive(json.loads(text))
                if self.is_finished():
                    return
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            self.note("lost")

    async def subscribe(self, socket, pause_s):
        await asyncio.sleep(pause_s)
        ask = {"op": "subscribe", "room": self.config["room"], "after": self.cursor}
        if self.log is not None:
            ask["log"] = self.log
        self.asked = self.cursor
        await socket.send(json.dumps(ask))

    def receive(self, frame):
        op = frame["op"]
        if op == "subscribed":
            self.log = frame["log"]
            self.note("subscribed", asked=self.asked, after=frame["after"])
        elif op == "events":
            events = [seen(event) for event in frame["events"]]
            self.note("events", after=frame["after"], upTo=frame["upTo"], events=events)
            self.cursor = frame["upTo"]
            for event in frame["events"]:
                if event["type"] == "MessagePosted" and event["actor"]["id"] == self.config["sub"]:
                    self.own_messages.append(event["data"]["seq"])
        elif op == "ack":
            self.note("acked", **{key: frame[key] for key in ("id", "first", "last", "duplicate")})
            self.unacked.pop(frame["id"], None)
            self.in_flight.discard(frame["id"])
        elif op == "nack":
            retryable = frame["retryable"]
            self.note("nacked", id=frame["id"], code=f"{frame['code']} {frame.get('reason', '')}", retryable=retryable)
            self.in_flight.discard(frame["id"])
            if retryable:
                self.hold_s = frame.get("retryAfterMs", 50) / 1000
            else:
                self.unacked.pop(frame["id"], None)
        elif op == "error" and self.config["storeMayBeAway"] and frame["code"] == "unavailable" and frame["retryable"]:
            pause_s = frame.get("retryAfterMs", 50) / 1000
            self.tasks.append(asyncio.create_task(self.subscribe(self.socket, pause_s)))
        elif op in ("reset", "error", "unsubscribed"):
            self.note("reset" if op == "reset" else "error", detail=json.dumps(frame))
        elif op not in ("hello", "caught-up", "typing", "drain"):
            self.note("stray", detail=json.dumps(frame))
        self.touch()

    # Sends what is unacknowledged first, in its old order, then new messages, some every few milliseconds.

    async def send_messages(self, socket):
        try:
            while True:
                hold_s, self.hold_s = self.hold_s, 0
                await asyncio.sleep(hold_s)
                waiting = [id for id in self.unacked if id not in self.in_flight]
                if waiting and len(self.in_flight) < IN_FLIGHT_MAX:
                    await self.send(socket, waiting[0])
                elif not waiting and not self.settling and len(self.in_flight) < IN_FLIGHT_MAX:
                    self.compose()
                    await asyncio.sleep(self.random.expovariate(self.config["messagesPerSecond"]))
                else:
                    await self.wait_for_change(0.1)
        except (ConnectionClosed, OSError):
            pass

    def compose(self):
        self.sent_count += 1
        text = f"{self.config['sub']} {self.sent_count}: {self.random.choice(TEXTS)}"
        chance = self.random.random()
        if self.own_messages and chance < 0.1:
            command, data = "EditMessage", {"seq": self.random.choice(self.own_messages), "text": text}
        else:
            command, data = "PostMessage", {"text": text}
        self.unacked[str(uuid.UUID(int=self.random.getrandbits(128), version=4))] = (command, data)

    async def send(self, socket, id):
        command, data = self.unacked[id]
        self.in_flight.add(id)
        self.note("sent", id=id, command=command, text=data.get("text"))
        frame = {"op": "send", "id": id, "room": self.config["room"], "command": command, "data": data}
        await socket.send(json.dumps(frame, ensure_ascii=self.random.random() < 0.5))

    # Three ways to lose a connection: at once, in the middle of a frame of ours, and by a polite close.

    async def cut(self, socket):
        # Many cuts fall into the catching up that follows a connect, the others anywhere.
        await asyncio.sleep(self.random.choice([0.005, 0.05, 0.3]) * self.random.random())
        if self.cuts_left <= 0 or self.settling:
            return
        self.cuts_left -= 1
        self.note("cut")
        print(json.dumps({"op": "cut", "left": self.cuts_left}), flush=True)
        way = self.random.random()
        if way < 0.2:
            await socket.close()
            return
        if way < 0.5 and not socket.transport.is_closing():
            # A text frame that announces 100 bytes, masked, and brings 10.
            socket.transport.write(bytes([0x81, 0x80 | 100]) + bytes(4) + b'{"op":"sen')
        socket.transport.abort()


def seen(event):
    fields = {"rev": event["rev"], "id": event["id"], "type": event["type"]}
    if "commandId" in event:
        fields["commandId"] = event["commandId"]
    if "text" in event["data"]:
        fields["text"] = event["data"]["text"]
    return fields


async def main():
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    config = json.loads(await lines.readline())
    with open(config["journal"], "w", encoding="utf-8") as journal:
        client = Client(config, journal)
        running = asyncio.create_task(client.run())

        async def obey():
            while line := await lines.readline():
                order = json.loads(line)
                if order["op"] == "settle":
                    client.settling = True
                    while client.unacked:
                        await client.wait_for_change(0.1)
                    print(json.dumps({"op": "settled", "sent": client.sent_count}), flush=True)
                elif order["op"] == "finish":
                    client.head = order["head"]
                    while not client.is_finished():
                        await client.wait_for_change(0.1)
                    await client.socket.close()
            # The test is gone: so are we.
            os._exit(2)

        obeying = asyncio.create_task(obey())
        await running
        obeying.cancel()
    print(json.dumps({"op": "finished", "cursor": client.cursor}), flush=True)


asyncio.run(main())
