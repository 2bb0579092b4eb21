#!/usr/bin/env python3
"""A service that calls another one, in Python; programs/program/examples/caller.c is the same in C.

It adds one to the counter n, calls the service that the body names with the rest of the body, and
replies the code of that and what it has answered. What the other one does is part of this call:
kept with it or undone with it. Where it fails, what it did is undone alone, and this one goes on.
"""

import json
import os
import sys

ADD = "update counter set value = value + 1 where name = 'n'"


def say(frame):
    sys.stdout.write(json.dumps(frame, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def hear():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)  # The engine has gone.
    return json.loads(line)


def answered(later):
    """What is answered next. A call that is begun ahead of it waits for its turn."""
    while "answer" not in (frame := hear()):
        later.append(frame)
    return frame["answer"]["results"]


def run(begin, later):
    turn = begin["turn"]
    service, _, body = begin["calls"][0]["parameters"][0].partition(" ")
    # Both in one frame; they are carried out in this order.
    add = {"waits": "no", "do": {"sql": {"text": ADD}}}
    call = {"do": {"call": {"service": service, "body": [body]}}}
    say({"ask": {"turn": turn, "operations": [add, call]}})
    (result,) = answered(later)
    if "reply" in result:
        told = "00 " + result["reply"]["parameters"][0]
    else:
        trouble = result["trouble"]
        told = f"{trouble['code']:02} {trouble.get('text', '')}"
    say({"done": {"turn": turn, "replies": [{"parameters": [told]}]}})


def main():
    versions = {"lowest": 1, "highest": 1}
    say({"hello": {"versions": versions, "pid": os.getpid(), "runs": "command"}})
    hear()  # The welcome: limits, group, node, services.
    say({"ready": {}})
    later, leaving = [], False
    while later or not leaving:
        frame = later.pop(0) if later else hear()
        if "begin" in frame:
            run(frame["begin"], later)
        elif "leave" in frame:
            leaving = True


if __name__ == "__main__":
    main()
