"""Sends usage events over HTTP and loses none: python3 send_usage.py, with METERHOUSE_API and METERHOUSE_KEY set."""

import json
import os
import time
import urllib.error
import urllib.request
import uuid

API, KEY = os.environ["METERHOUSE_API"], os.environ["METERHOUSE_KEY"]


def send(events, attempts=8):
    """Sends up to 1,000 events until each is acknowledged or refused; returns the refused outcomes."""
    for event in events:
        event.setdefault("id", str(uuid.uuid4()))
        event.setdefault("ts", int(time.time() * 1000))
    refused = []
    for attempt in range(attempts):
        request = urllib.request.Request(
            f"{API}/v1/events",
            data=json.dumps(events).encode(),
            headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
        )
        wait = min(2**attempt, 30)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            answer = json.load(error)
            wait = int(error.headers.get("Retry-After", wait))
            if "events" not in answer and error.code not in (429, 503):
                raise RuntimeError(answer["detail"]) from error
        except OSError:  # no answer: nobody knows
            answer = {}
        if "events" in answer:
            outcomes = answer["events"]
            refused += [one for one in outcomes if one["outcome"] == "refused"]
            events = [events[one["index"]] for one in outcomes if one["outcome"] == "not_acknowledged"]
            if not events:
                return refused
        time.sleep(wait)
    raise TimeoutError(f"{len(events)} events are not acknowledged")


refused = send(
    [
        {"metric": "llm.input_tokens", "value": "1280", "attrs": {"model": "large"}},
        {"metric": "gpu.hours", "tenantId": "acme/dev", "value": "0.25"},
    ]
)
print("refused:", refused)
