"""What the OpenAPI generator can't see by itself."""

from __future__ import annotations

from typing import Any


def drop_optional_slash(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Addresses are written without the trailing slash that is also accepted."""
    return [(path.removesuffix("/"), regex, method, view) for path, regex, method, view in endpoints]


#: What the generator takes for required because it is only read.
_SOMETIMES_THERE = {"TaskOut": {"source_file_b64"}}
_PROBLEMS = {
    "400": "The request is wrong; `field` names the part of it.",
    "401": "No valid token.",
    "403": "The permission for this verb is missing.",
    "404": "There is nothing of that name, or nothing that you may see.",
    "409": "Not possible in the present state.",
    "422": "The Idempotency-Key stands for another request.",
    "429": "Too many requests; the header Retry-After says how many seconds to wait.",
}
_HEADERS: dict[str, dict[str, Any]] = {
    "429": {"Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer"}}}
}


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Every operation may also answer with a problem."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    for name, fields in _SOMETIMES_THERE.items():
        schema = schemas.get(name, {})
        schema["required"] = [field for field in schema.get("required", ()) if field not in fields]
    text = {"type": "string"}
    names = ("code", "message", "field", "hint")
    schemas["Problem"] = {"type": "object", "properties": dict.fromkeys(names, text), "required": list(names)}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            for status in _statuses(path, method, operation):
                told = {"description": _PROBLEMS[status], "content": content, "headers": _HEADERS.get(status, {})}
                operation["responses"].setdefault(status, told)
    return result


def _statuses(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    found = ["400", "401", "403", "429"]
    if "{" in path:
        found.append("404")
    if method != "get":
        found.append("409")
    if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ())):
        found.append("422")
    return found
