"""Does with the Python module what it is told on standard input, one JSON object a line."""

import json
import re
import sys
import typing
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
import parlor  # noqa: E402


def snake(action: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", action).lower()


def fields(t: typing.Any) -> dict:
    """The fields of an object, each with those in it."""
    while typing.get_origin(t) in (list, typing.NotRequired):
        t = typing.get_args(t)[0]
    if not typing.is_typeddict(t):
        return {}
    return {name: fields(of) for name, of in typing.get_type_hints(t).items()}


def commands() -> dict:
    found = {}
    for name, method in vars(parlor.Commands).items():
        if name.startswith("_") or name == "do":
            continue
        hints = typing.get_type_hints(method)
        action = "".join(word.capitalize() for word in name.split("_"))
        found[action] = {"request": fields(hints["request"]), "answer": fields(hints["return"])}
    return found


def work(t: dict) -> dict:
    if t["Do"] == "token":
        return {"token": parlor.create_token(t["Key"], now=t["Now"], **t["Grant"])}
    if t["Do"] == "webhook":
        return {"event": parlor.verify_webhook(t["Header"], t["Body"].encode(), *t["Keys"], now=t["Now"])}
    if t["Do"] == "command":
        node = parlor.Node(t["URL"], key=t.get("Key") or None)
        return {"answer": getattr(node, snake(t["Action"]))(t["Request"])}
    return {"commands": commands(), "event": fields(parlor.FeedEvent)}


for line in sys.stdin:
    try:
        result = work(json.loads(line))
    except parlor.ParlorError as e:
        result = {"error": {"code": e.code, "field": e.field, "status": e.status, "message": e.message, "retryAfter": e.retry_after}}
    except Exception as e:  # what a package refuses by itself
        result = {"error": {"code": "none", "message": repr(e)}}
    print(json.dumps(result, ensure_ascii=False), flush=True)
