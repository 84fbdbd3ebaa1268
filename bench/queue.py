"""Sets a queue up for a load test: queue.py API PASSWORD AGENTS FIRST. Agents are logged in; what the queue counted is printed by `queue.py API PASSWORD show`."""

import json
import sys
import urllib.request


class Api:
    def __init__(self, base, password):
        self.base, self.token = base, None
        self.token = self.ask("POST", "/session", {"username": "admin", "password": password})["token"]

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"content-type": "application/json"}, method=method)
        if self.token:
            request.add_header("authorization", "Bearer " + self.token)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")


def main(base, password, what, first=1000):
    api = Api(base, password)
    if what == "show":
        now = api.ask("GET", "/queues/load")["now"]
        shown = ["waiting", "agents", "entered", "answered", "abandoned", "elsewhere", "missed", "average_wait_ms"]
        print(json.dumps({key: now[key] for key in shown}))
        return
    api.ask("PUT", "/queues/load", {"number": "7200", "strategy": "longest_idle", "rest_seconds": 1, "ring_seconds": 20})
    for n in range(int(first), int(first) + int(what)):
        api.ask("PUT", f"/agents/a{n}", {"extension": str(n), "queues": [{"queue": "load"}]})
        api.ask("POST", f"/agents/a{n}/login", {})
        if n % 100 == 99:
            print(f"{n + 1 - int(first)} agents are logged in", file=sys.stderr)


main(*sys.argv[1:])
