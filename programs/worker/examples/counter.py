#!/usr/bin/env python3
"""A service of tsugi in Python: a command that speaks lines on its standard input and output.

A line is one JSON object. This says hello, is welcomed, says that it is ready, and then answers
call by call: what it asks the engine for, and the reply, belong to one unit of work, kept together
or undone together. Whatever it writes to standard error goes to the log of its worker.

The body is a word and what belongs to it; programs/program/tests/program/counter.c is the same
service in C.
"""

import base64
import json
import os
import sys
import time


class NotDone(Exception):
    """An operation that was not done: its code, and what there is to say about it."""

    def __init__(self, trouble):
        self.code = trouble["code"]
        self.text = trouble.get("text", "")
        super().__init__(f"{self.code} {self.text}".strip())


class Abort(Exception):
    """The call is to be undone, and this is why."""


def say(frame):
    sys.stdout.write(json.dumps(frame, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def hear():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)  # The engine has gone.
    return json.loads(line)


def to_bytes(told):
    return told.encode() if isinstance(told, str) else base64.b64decode(told["base64"])


def to_line(body):
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


class Host:
    """The engine, as one call sees it."""

    begun_ahead = []

    def __init__(self, welcome, turn, call):
        self.welcome = welcome
        self.turn = turn
        self.call_is = call
        self.until = time.monotonic() + call["left_ms"] / 1000
        self.rows = []
        self.rest = "none"

    def ask(self, operation, slot=0):
        operations = [{"slot": slot, "do": operation}]
        say({"ask": {"turn": self.turn, "operations": operations}})
        while True:
            frame = hear()
            if "answer" in frame:
                result = frame["answer"]["results"][0]
                if "trouble" in result:
                    raise NotDone(result["trouble"])
                return result
            Host.begun_ahead.append(frame)  # The next call: it waits for its turn.

    def sql(self, text, *values):
        """Runs a statement; how many rows it changed."""
        self.rows, self.rest = [], "none"
        rows = self.ask({"sql": {"text": text, "rows": [list(values)]}}, slot=1)["rows"]
        self.rows, self.rest = rows["rows"], rows["rest"]
        return rows["changed"]

    def row(self):
        """The next row of the last statement; None after the last."""
        if not self.rows and self.rest == "more":
            rows = self.ask({"more": {"rows": 100}}, slot=1)["rows"]
            self.rows, self.rest = rows["rows"], rows["rest"]
        return self.rows.pop(0) if self.rows else None

    def call(self, service, body):
        """Calls another service in the same unit of work; its reply."""
        reply = self.ask({"call": {"service": service, "body": [to_line(body)]}})["reply"]
        return to_bytes(reply["parameters"][0])

    def log(self, level, text):
        """A line for the log, kept whatever becomes of the call. Nobody answers."""
        line = {"waits": "no", "do": {"log": {"level": level, "text": text}}}
        say({"ask": {"turn": self.turn, "operations": [line]}})

    def left_ms(self):
        """Milliseconds until the deadline; then this process is killed."""
        return max(0, int((self.until - time.monotonic()) * 1000))


ADD = "update counter set value = value + ?1 where name = ?2 returning value"


def add(host, name):
    changed = host.sql(ADD, 1, name)
    row = host.row()
    if row is None:
        raise Abort("there is no such counter")
    host.log(1, f"{name} is {row[0]}, {changed} changed")
    return str(row[0]).encode()


def kinds(host):
    """One value of each kind there and back."""
    sent = [None, -7, {"real": "0.5"}, "\u7d99\u304e", {"base64": "AP8="}, {"decimal": "-12.30"}]
    host.sql("values", *sent)
    return b"same" if host.row() == sent and host.row() is None else b"other"


def rows(host):
    """Every row of three, however many an answer has."""
    host.sql("three")
    total = 0
    while (row := host.row()) is not None:
        total += row[0]
    return str(total).encode()


def who(host):
    call, welcome = host.call_is, host.welcome
    service = next(s["name"] for s in welcome["services"] if s["index"] == call["service"])
    texts = [call["id"], call["parent"], call["client"], welcome["group"], welcome["node"]]
    return "|".join([*texts, service, str(call["epoch"]), str(call["attempt"])]).encode()


def reserved(host):
    """Every operation that has a name and is not carried out in this version."""
    asked = [
        {"put": {"queue": "x", "body": "x", "key": "x"}},
        {"timer_set": {"name": "x", "at_ms": 0, "service": "x", "body": "x"}},
        {"timer_cancel": {"name": "x"}},
        {"data": {"out": None}},
        {"data": {"out": "x"}},
    ]
    codes = []
    for operation in asked:
        try:
            host.ask(operation)
            codes.append(0)
        except NotDone as not_done:
            codes.append(not_done.code)
    return " ".join(str(code) for code in codes).encode()


def answer(host, body):
    word, _, rest = body.decode().partition(" ")
    if word == "add":
        return add(host, rest)
    if word == "kinds":
        return kinds(host)
    if word == "rows":
        return rows(host)
    if word == "call":
        return host.call(rest, b"hello")
    if word == "who":
        return who(host)
    if word == "left":
        return str(host.left_ms()).encode()
    if word == "long":
        return b"x" * int(rest)
    if word == "mistaken":
        host.sql("selekt")
    if word == "reserved":
        return reserved(host)
    if word == "break":
        raise RuntimeError(rest)
    if word == "abort":
        raise Abort(rest)
    raise Abort("no such word")


def run(welcome, begin):
    turn = begin["turn"]
    for call in begin["calls"]:
        try:
            reply = answer(Host(welcome, turn, call), to_bytes(call["parameters"][0]))
            say({"done": {"turn": turn, "replies": [{"parameters": [to_line(reply)]}]}})
        except (Abort, NotDone) as why:
            say({"failed": {"turn": turn, "class": "abort", "code": 1, "text": str(why)}})


def main():
    versions = {"lowest": 1, "highest": 1}
    say({"hello": {"versions": versions, "pid": os.getpid(), "runs": "command"}})
    welcome = hear()["welcome"]
    say({"ready": {}})
    leaving = False
    while True:
        if not Host.begun_ahead and leaving:
            return
        frame = Host.begun_ahead.pop(0) if Host.begun_ahead else hear()
        if "begin" in frame:
            run(welcome, frame["begin"])
        elif "leave" in frame:
            leaving = True


if __name__ == "__main__":
    main()
