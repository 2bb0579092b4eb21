# A worker that speaks lines: counts, or does what the body says instead.
import json, os, signal, sys, time

def say(frame):
    sys.stdout.write(json.dumps(frame) + "\n")
    sys.stdout.flush()

def hear():
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    return json.loads(line)

def ask(turn, *operations):
    say({"ask": {"turn": turn, "operations": [{"do": one} for one in operations]}})
    return hear()["answer"]["results"]

ADD = "UPDATE counter SET value = value + 1 WHERE name = 'n' RETURNING value"

def unread(turn, *operations):
    """Asks for what nobody waits for."""
    say({"ask": {"turn": turn, "operations": [{"waits": "no", "do": one} for one in operations]}})

def large(length):
    return {"sql": {"text": "SELECT ?1", "rows": [["x" * length]]}}

def turned(turn, go, attempt):
    """Counts; the first time not before it may, and as the third without end."""
    while attempt == 1 and not os.path.exists(go):
        time.sleep(0.001)
    say({"ask": {"turn": turn, "operations": [{"do": {"sql": {"text": ADD}}}]}})
    with open("asked", "w") as asked:
        asked.write(str(os.getpid()))
    value = hear()["answer"]["results"][0]["rows"]["rows"][0][0]
    while attempt == 1 and value == 3:
        time.sleep(1)
    told = "%d %d %d" % (value, attempt, os.getpid())
    say({"done": {"turn": turn, "replies": [{"parameters": [told]}]}})

def serve(turn, body, attempt):
    if body.startswith("turned "):
        return turned(turn, body.split(" ")[1], attempt)
    if body == "never":
        return
    if body == "asks":
        while True:
            unread(turn, large(400_000))
    if body == "deaf":
        while True:
            say({"ask": {"turn": turn, "operations": [
                {"do": {"sql": {"text": "SELECT hex(zeroblob(1000000))"}}}]}})
    if body == "leaves":
        # More than is held of it, then the end of its call and its own: in its pipe by now.
        unread(turn, large(600_000))
        unread(turn, large(600_000))
        unread(turn, {"sql": {"text": ADD}})
        say({"done": {"turn": turn, "replies": [{"parameters": ["left"]}]}})
        os._exit(0)
    if body == "talks":
        lines = [{"do": {"log": {"level": 1, "text": "line %d" % n}}} for n in range(250)]
        lines[7]["do"]["log"]["text"] = "x" * 5000
        say({"ask": {"turn": turn, "operations": lines}})
        say({"done": {"turn": turn, "replies": [{"parameters": ["talked"]}]}})
        return
    if body == "large":
        one = {"sql": {"text": "SELECT hex(zeroblob(1000000))"}}
        results = ask(turn, one, one, one, one, {"sql": {"text": ADD}}, {"sql": {"text": ADD}})
        told = " ".join("rows" if "rows" in one else str(one["trouble"]["code"])
                        for one in results)
        say({"done": {"turn": turn, "replies": [{"parameters": [told]}]}})
        return
    log = {"do": {"log": {"level": 1, "text": "a line"}}}
    if body == "logs":
        # No operation but these: it is done without having asked the store.
        say({"ask": {"turn": turn, "operations": [log]}})
        say({"done": {"turn": turn, "operations": [log],
                      "replies": [{"parameters": ["logged"]}]}})
        return
    (counted,) = ask(turn, {"sql": {"text": ADD}})
    value = counted["rows"]["rows"][0][0]
    if body == "exit":
        sys.stderr.write("these are my last words\n")
        sys.stderr.flush()
        os._exit(3)
    if body == "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    if body == "stays":
        say({"ask": {"turn": turn, "operations": [
            {"do": {"log": {"level": 1, "text": "in the middle"}}}]}})
    if body in ("loop", "stays"):
        while True:
            time.sleep(1)
    if body == "nonsense":
        sys.stdout.write("nonsense\n")
        sys.stdout.flush()
        time.sleep(60)
    if body == "closes":
        os.close(1)
        time.sleep(60)
    if body == "floods":
        while True:
            sys.stderr.write("x" * 4096)
    if body == "aborts":
        say({"ask": {"turn": turn, "operations": [{"do": {"abort": {"text": "no money"}}}]}})
        return
    if body == "mistakes":
        results = ask(turn, {"sql": {"text": "SELECT nothing"}},
                      {"sql": {"text": "INSERT INTO counter VALUES ('n', 1)"}},
                      {"sql": {"text": "UPDATE tsugi_epoch SET run = 1"}})
        value = " ".join(str(one["trouble"]["code"]) for one in results)
    if body == "many":
        say({"ask": {"turn": turn, "operations": [{"slot": 1, "do": {"sql": {"text":
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10003)"
            " SELECT i FROM n"}}}]}})
        first = hear()["answer"]["results"][0]["rows"]
        say({"ask": {"turn": turn, "operations": [{"slot": 1, "do": {"more": {"rows": 9}}}]}})
        rest = hear()["answer"]["results"][0]["rows"]
        value = "%d %s %d %s" % (len(first["rows"]), first["rest"], len(rest["rows"]),
                                 rest.get("rest", "none"))
    pid = " %d" % os.getpid() if body == "who" else ""
    say({"done": {"turn": turn, "replies": [{"parameters": [str(value) + pid]}]}})

say({"hello": {"versions": {"lowest": 1, "highest": 1}, "pid": os.getpid(), "runs": "command"}})
hear()["welcome"]
say({"ready": {}})
while True:
    frame = hear()
    if "leave" in frame:
        os._exit(0)
    call = frame["begin"]["calls"][0]
    serve(frame["begin"]["turn"], call["parameters"][0].strip(), call["attempt"])
