#!/usr/bin/env python3
"""Follows one room of Verbatim and says what you type into it, across any number of lost connections.

    TOKEN=… ROOM=conversation:42 python3 room.py            (pip install websockets)

Prints one line an event. All exactness comes from two things that outlive a connection: the cursor (`after`) and the
commands that have no answer yet (`outbox`). CURSOR names a file that keeps the cursor across restarts of this program.
"""

import asyncio, json, os, random, sys, uuid
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

URL = os.environ.get("URL", "ws://127.0.0.1:3001/v1/socket")
ROOM = os.environ.get("ROOM", "conversation:42")
CURSOR = os.environ.get("CURSOR")
SUBPROTOCOLS = ["verbatim.v1", "bearer." + os.environ["TOKEN"]]
BACKOFF_MAX_SECONDS = 10


class Room:
    def __init__(self):
        self.after, self.log = -1, None  # the cursor, and the log that it is of
        self.outbox = {}  # id -> the `send` frame, until it is answered
        self.socket = None
        if CURSOR and os.path.exists(CURSOR):
            with open(CURSOR, encoding="utf-8") as file:
                self.after, self.log = json.load(file)

    async def stay(self):
        """Connects, resumes, and does so again, until the server says not to come back."""
        attempt = 0
        while True:
            wait = None
            try:
                async with connect(URL, subprotocols=SUBPROTOCOLS, max_size=None) as self.socket:
                    async for text in self.socket:
                        frame = json.loads(text)
                        if frame["op"] == "hello":
                            attempt = 0
                        if frame["op"] == "drain":
                            wait = frame["reconnectAfterMs"] / 1000
                        await self.take(frame)
            except (WebSocketException, OSError, EOFError):
                pass
            if self.socket is not None and 4500 <= (self.socket.close_code or 0) < 4600:
                sys.exit(f"the server will not have us: {self.socket.close_code} {self.socket.close_reason}")
            attempt += 1
            if wait is None:
                wait = min(BACKOFF_MAX_SECONDS, 0.25 * 2**attempt) * random.uniform(0.5, 1)
            await asyncio.sleep(wait)

    async def take(self, frame):
        match frame["op"]:
            case "hello":
                await self.subscribe()
                for waiting in list(self.outbox.values()):  # again, under the same ids: each happens once
                    await self.transmit(waiting)
            case "subscribed":
                self.log = frame["log"]
                if frame["after"] != self.after:
                    await self.socket.close()
            case "events":
                if frame["after"] != self.after:  # would be a gap or a repeat: come back with our cursor instead
                    await self.socket.close()
                    return
                for event in frame["events"]:
                    print(event["rev"], event["type"], event["data"].get("text") or "", flush=True)
                self.after = frame["upTo"]
                self.save()
            case "reset":
                print("reset:", frame["reason"], file=sys.stderr)  # tell your user: history was cut or replaced
                truncated = frame["reason"] == "truncated"
                self.after, self.log = (frame["from"] - 1, frame["log"]) if truncated else (-1, None)
                await self.subscribe()
            case "ack":
                self.outbox.pop(frame["id"], None)
            case "nack" if frame["retryable"]:
                asyncio.get_running_loop().call_later(
                    frame.get("retryAfterMs", 1000) / 1000, self.again, frame["id"], self.socket
                )
            case "nack":
                self.outbox.pop(frame["id"], None)
                print("refused:", frame.get("reason", frame["code"]), frame["message"], file=sys.stderr)
            case "error" if frame["retryable"]:
                await asyncio.sleep(frame.get("retryAfterMs", 1000) / 1000)
                await self.subscribe()
            case "error" | "unsubscribed":
                sys.exit(f"not our room any more: {frame}")

    async def subscribe(self):
        cursor = {"after": self.after} | ({"log": self.log} if self.log else {})
        await self.transmit({"op": "subscribe", "room": ROOM, **cursor})

    async def say(self, command, data):
        id = str(uuid.uuid4())
        self.outbox[id] = {"op": "send", "id": id, "room": ROOM, "command": command, "data": data}
        await self.transmit(self.outbox[id])

    def again(self, id, socket):
        if id in self.outbox and socket is self.socket:
            asyncio.ensure_future(self.transmit(self.outbox[id]))

    async def transmit(self, frame):
        if self.socket is None:
            return  # said after the next `hello`
        try:
            await self.socket.send(json.dumps(frame))
        except ConnectionClosed:
            pass

    def save(self):
        if not CURSOR:
            return
        with open(CURSOR + ".new", "w", encoding="utf-8") as file:
            json.dump([self.after, self.log], file)
        os.replace(CURSOR + ".new", CURSOR)


async def main():
    room = Room()

    async def read_lines():
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            await room.say("PostMessage", {"text": line.decode().strip()})

    reading = asyncio.create_task(read_lines())
    await room.stay()
    reading.cancel()


asyncio.run(main())
