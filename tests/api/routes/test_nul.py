"""PostgreSQL takes no NUL in a text: a request with one in its address is refused, and is not the service's failure."""

from __future__ import annotations

import httpx


def requests_with_nul(document):
    """Method and address of one request per parameter of each operation, with a NUL in that parameter."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                name = f"{{{parameter['name']}}}"
                if parameter["in"] == "path":
                    yield method, path.replace(name, "a%00b").replace("{", "").replace("}", "")
                elif parameter["in"] == "query":
                    yield method, f"{path.replace('{', '').replace('}', '')}?{parameter['name']}=a%00b"


def test_a_nul_in_any_parameter_is_refused(serve, store):
    with httpx.Client(base_url=serve(store), trust_env=False) as client:
        requests = list(requests_with_nul(client.get("/openapi.json").json()))
        answers = {request: client.request(*request) for request in requests}
    assert len(answers) > 50
    assert {answer.status_code for answer in answers.values()} == {422}
    for address, path in (("/v1/experiments/a%00b", "path"), ("/v1/sweeps?before=a%00b", "before")):
        assert answers["get", address].json()["issues"] == [
            {"path": path, "message": "it holds the character NUL, which no name has", "suggestion": None}
        ]
