#!/usr/bin/env python3
"""A backend of the web protocol, version 2, with Python's standard library only: containers are processes.

It shows what README.md asks of a backend: fences, create-or-adopt, two-step deletes, a watch, reports. It offers
no logs, volumes, init containers and streams, and says so. One lock and one file, as simple as they get: for some
hundred pods that one trusts. Start it with: python3 backend.py --zone zone-a --data DIR
"""
import argparse, contextlib, json, os, signal, subprocess, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

STATUS = {"InvalidInput": 400, "Forbidden": 403, "NotFound": 404, "Conflict": 409, "Fenced": 412, "Unsupported": 422,
          "NoCapacity": 507}
CAPABILITIES = {"logs": False, "initContainers": False, "volumes": [], "update": ["containers[*].image"]}
changed = threading.Condition(threading.RLock())  # guards everything below, and wakes who waits for a change
fences, pods, gone, deleted, version = {}, {}, [], set(), 0


class Refused(Exception):
    def __init__(self, code, message, status=None, **more):
        self.status, self.body = status or STATUS[code], {"error": {"code": code, "message": message, **more}}


def find(owner, uid):
    if (owner, uid) not in pods:
        raise Refused("NotFound", "there is no pod " + uid)
    return pods[owner, uid]


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def save():
    """On disk before it is answered. What is in the environment of a pod is for this user only."""
    path = os.path.join(args.data, "state.json")
    with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"fences": fences, "pods": list(pods.values())}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def touch(pod):
    global version
    version += 1
    pod["version"] = version
    save()
    changed.notify_all()


def view(pod):
    keys = ("name", "state", "lastState", "restartCount", "image")
    containers = [{key: one[key] for key in keys if key in one} for one in pod["containers"]]
    observation = {"reachable": True, "containers": containers, "podIPs": ["127.0.0.1"], "startTime": pod["created"]}
    return {**{key: pod[key] for key in ("ref", "owner", "epoch", "hash", "deleting")}, "zone": args.zone,
            "handle": "python/" + pod["ref"]["uid"], "observation": observation}


def running(pod):
    return [one for one in pod["containers"] if "terminated" not in one["state"]]


def start_time(pid):
    """With its start time a process is itself, and no stranger that got its number. None when it is gone."""
    with contextlib.suppress(OSError), open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
        return None if fields[0] == "Z" else fields[19]


def send_signal(one, number):
    if "pid" in one and start_time(one["pid"]) == one["since"]:
        os.killpg(one["pid"], number) if number == signal.SIGKILL else os.kill(one["pid"], number)


def live(pod, one, spec):
    """One container to its last end, in a thread of its own. It waits for a process of an earlier backend as well."""
    null, pause = subprocess.DEVNULL, 0
    while True:
        code, reason = 137, "ContainerStatusUnknown"
        if "pid" in one:
            while start_time(one["pid"]) == one["since"]:
                time.sleep(0.1)
        else:
            try:
                env = {each["name"]: each["value"] for each in pod["env"].get(one["name"], [])}
                process = subprocess.Popen(spec["command"] + spec.get("args", []), start_new_session=True, cwd=args.data,
                                           env={"PATH": os.environ["PATH"], **env}, stdin=null, stdout=null, stderr=null)
                with changed:
                    one.update(pid=process.pid, since=start_time(process.pid), state={"running": {"startedAt": now()}})
                    touch(pod)
                    if pod["deleting"]:  # asked while it was being started
                        process.terminate()
                code, reason = process.wait(), None
                code = 128 - code if code < 0 else code
            except OSError:
                code, reason = 128, "StartError"
        with changed:
            one.pop("pid", None)
            end = {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), "finishedAt": now()}
            policy, replaced = pod["spec"].get("restartPolicy", "Always"), one.pop("replaced", False)
            if replaced or policy == "Always" or (policy == "OnFailure" and code != 0):
                one.update(lastState={"terminated": end}, state={"waiting": {"reason": "CrashLoopBackOff"}})
                touch(pod)
                changed.wait_for(lambda: pod["deleting"], 0 if replaced else pause)
                if not pod["deleting"]:
                    one["restartCount"], pause = one["restartCount"] + 1, min(pause * 2 or 10, 300)
                    continue
                one.pop("lastState")
            one["state"] = {"terminated": end}
            return touch(pod)


def begin(pod):
    for one, spec in zip(pod["containers"], pod["spec"]["containers"]):
        if one in running(pod):
            threading.Thread(target=live, args=(pod, one, spec), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    log_message = lambda *_: None

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_request(self):
        try:
            length = int(self.headers.get("Content-Length") or 0)
            url, body = urlsplit(self.path), json.loads(self.rfile.read(length)) if length else None
            parts, query = [unquote(part) for part in url.path.split("/")[1:]], parse_qs(url.query)
            action = getattr(self, "_".join([self.command] + parts[1:2] + parts[3:4] + parts[5:6]), None)
            if parts[0] != "v2" or action is None:
                raise Refused("Unsupported", "there is no " + url.path, status=404)
            host = self.headers.get("Host", "").rsplit(":", 1)[0]
            if "Origin" in self.headers or host not in ("127.0.0.1", "localhost"):
                raise Refused("Forbidden", "web pages may not call")  # it runs commands for whoever may
            action(parts, query, body)
        except Refused as error:
            self.answer(error.status, error.body)
        except (ValueError, KeyError, TypeError) as error:
            self.answer(400, Refused("InvalidInput", "the request is not as specified: %r" % error).body)
        except ConnectionError:
            self.close_connection = True

    do_GET = do_PUT = do_DELETE = handle_request

    def owner(self):
        if unquote(self.headers["Zonelet-Zone"]) != args.zone:
            raise Refused("InvalidInput", "this is the backend of zone " + args.zone)
        return unquote(self.headers["Zonelet-Owner"])

    def fence(self):
        """With the lock held. What is newer is on disk before anything is done on its word."""
        owner, epoch, holder = self.owner(), int(self.headers["Zonelet-Epoch"]), unquote(self.headers["Zonelet-Holder"])
        current = fences.get(owner, {"epoch": -1, "holder": ""})
        if epoch < current["epoch"] or (epoch == current["epoch"] and holder != current["holder"]):
            raise Refused("Fenced", "epoch %d of %s is stale" % (epoch, holder), current=current)
        if epoch > current["epoch"]:
            fences[owner] = {"epoch": epoch, "holder": holder}
            save()
        return owner, epoch

    def PUT_claim(self, *_):
        with changed:
            self.answer(200, fences[self.fence()[0]])

    def PUT_pods(self, parts, _query, body):
        with changed:
            (owner, epoch), key = self.fence(), parts[2]
            pod = pods.get((owner, key))
            if pod is None:
                spec = body["pod"]["spec"]
                problems = [{"path": "spec.containers[%d].command" % i, "reason": "missing: there is no image"}
                            for i, one in enumerate(spec["containers"]) if not one.get("command")]
                if key in deleted:
                    raise Refused("Conflict", "it was deleted here")
                if problems:
                    raise Refused("Unsupported", problems[0]["reason"], unsupported=problems)
                if len(pods) >= args.pods:
                    raise Refused("NoCapacity", "no room")
                waiting = {"restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}
                pods[owner, key] = pod = {
                    "ref": body["ref"], "owner": owner, "epoch": epoch, "hash": body["hash"], "deleting": False,
                    "created": now(), "spec": spec, "env": body["env"],
                    "containers": [{"name": one["name"], "image": one.get("image", ""), **waiting}
                                   for one in spec["containers"]]}
                touch(pod)
                begin(pod)
                return self.answer(201, {"outcome": "created", "pod": view(pod)})
            pod["epoch"] = epoch
            touch(pod)
            self.answer(200, {"outcome": "adopted", "pod": view(pod)})

    def PUT_pods_spec(self, parts, _query, body):
        with changed:
            owner, epoch = self.fence()
            pod = find(owner, parts[2])
            for one, spec in zip(pod["containers"], body["pod"]["spec"]["containers"]):
                if one["image"] != spec.get("image", ""):  # in place: it runs again with the new one
                    one.update(image=spec.get("image", ""), replaced="pid" in one)
                    send_signal(one, signal.SIGTERM)
            pod.update(epoch=epoch, hash=body["hash"])
            touch(pod)
            self.answer(200, {"pod": view(pod)})

    def DELETE_pods(self, parts, query, _body):
        with changed:
            (owner, epoch), grace = self.fence(), int(query.get("gracePeriodSeconds", ["30"])[0])
            deleted.add(parts[2])
            pod = pods.get((owner, parts[2]))
            if pod is None:
                return self.answer(200, {"state": "gone"})
            first, pod["deleting"], pod["epoch"] = not pod["deleting"], True, epoch
            if not running(pod):
                del pods[owner, parts[2]]
                gone.append((version + 1, owner, {"type": "gone", "ref": pod["ref"], "last": view(pod)["observation"]}))
                del gone[:-10000]
                touch(pod)
                return self.answer(200, {"state": "gone", "last": view(pod)["observation"]})
            for one in running(pod):
                if grace > 0 and first:
                    send_signal(one, signal.SIGTERM)
                threading.Timer(grace, send_signal, (one, signal.SIGKILL)).start()
            touch(pod)
            self.answer(202, {"state": "stopping", "pod": view(pod)})

    def GET_pods(self, parts, *_):
        owner = self.owner()
        with changed:
            if len(parts) > 2:
                return self.answer(200, {"pod": view(find(owner, parts[2]))})
            self.answer(200, {"pods": [view(pod) for pod in pods.values() if pod["owner"] == owner], "complete": True})

    def lines(self):
        self.close_connection = True  # without a length it ends with its connection
        self.send_response(200)
        self.end_headers()
        return lambda line: self.wfile.write(json.dumps(line).encode() + b"\n")

    def GET_watch(self, *_):
        owner, put, seen, first = self.owner(), self.lines(), 0, True
        put({"type": "sync-start"})
        while True:
            with changed:
                changed.wait_for(lambda: version > seen or first, 4)
                events = [event for at, whose, event in gone if at > seen and whose == owner and not first]
                events += [{"type": "pod", "pod": view(pod)} for (whose, _), pod in pods.items()
                           if whose == owner and pod["version"] > seen]
                seen = version
            for event in events + [{"type": "sync-end", "complete": True} if first else {"type": "heartbeat"}]:
                put(event)
            first = False

    def GET_zone(self, _parts, query, _body):
        put = self.lines() if query.get("watch") == ["true"] else lambda line: self.answer(200, line)
        while True:
            full = len(pods) >= args.pods
            put({"state": "NoNew" if full else "Up", "evidence": "%d pods are here" % len(pods),
                 "capacity": {"cpu": "8", "memory": "16Gi", "pods": str(args.pods)}})
            if "watch" not in query:
                return
            with changed:
                changed.wait_for(lambda: (len(pods) >= args.pods) != full, 4)

    def GET_capabilities(self, *_):
        self.answer(200, {"protocol": 2, "zone": args.zone, "runtime": "python", "capabilities": CAPABILITIES})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--zone", required=True)
    parser.add_argument("--data", required=True, help="folder for what must outlive the process")
    parser.add_argument("--port", type=int, default=7101)
    parser.add_argument("--pods", type=int, default=110, help="the most that it takes")
    args = parser.parse_args()
    os.makedirs(args.data, mode=0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError), open(os.path.join(args.data, "state.json")) as kept, changed:
        state = json.load(kept)
        fences.update(state["fences"])
        pods.update({(pod["owner"], pod["ref"]["uid"]): pod for pod in state["pods"]})
        version = max((pod["version"] for pod in state["pods"]), default=0)
        list(map(begin, state["pods"]))
    ThreadingHTTPServer.request_queue_size = 128
    with ThreadingHTTPServer(("127.0.0.1", args.port), Handler) as server:
        print("listening on http://127.0.0.1:%d" % server.server_port, flush=True)
        server.serve_forever()
