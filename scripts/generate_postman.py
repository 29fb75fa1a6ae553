"""Write docs/postman.json: a Postman collection of every route, with examples, that signs each request by itself.

Run: make postman
Import it, then set the collection variables baseUrl, keyId and signingSecret; or apiKey, to send a key instead; or
accessToken, to call as a person.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from singr_api.operations.documentation.document import as_json, openapi_document

TARGET = Path(__file__).resolve().parents[1] / "docs" / "postman.json"
FIRST_REFUSAL = 400
METHODS = ("get", "post", "put", "patch", "delete")

# Postman replaces variables and encodes the address after this script. The script does both itself, and sets what came
# of it, so that what is signed is what is sent.
SIGN = r"""
const crypto = require('crypto-js');
const resolve = (text) => pm.variables.replaceIn(text || '');
const apiKey = resolve('{{apiKey}}');
const accessToken = resolve('{{accessToken}}');
if (accessToken) {
    pm.request.headers.upsert({ key: 'authorization', value: 'Bearer ' + accessToken });
    const organization = resolve('{{organization_id}}');
    if (organization) { pm.request.headers.upsert({ key: 'x-singr-organization', value: organization }); }
} else if (apiKey) {
    pm.request.headers.upsert({ key: 'x-api-key', value: apiKey });
} else if (resolve('{{signingSecret}}')) {
    const body = pm.request.body && pm.request.body.mode === 'raw' ? resolve(pm.request.body.raw) : '';
    if (body) { pm.request.body.update({ mode: 'raw', raw: body }); }
    const encode = (text) => encodeURI(resolve(text)).replace(/%25([0-9A-Fa-f]{2})/g, '%$1').replace(/'/g, '%27');
    const path = encode(pm.request.url.getPathWithQuery());
    pm.request.url.update(resolve('{{baseUrl}}') + path);
    const timestamp = Math.floor(Date.now() / 1000).toString();
    const nonce = crypto.lib.WordArray.random(16).toString();
    const digest = crypto.SHA256(body).toString();
    const text = [pm.request.method, path, timestamp, nonce, digest].join('\n');
    const signature = 'v1=' + crypto.HmacSHA256(text, resolve('{{signingSecret}}')).toString();
    pm.request.headers.upsert({ key: 'x-singr-key', value: resolve('{{keyId}}') });
    pm.request.headers.upsert({ key: 'x-singr-timestamp', value: timestamp });
    pm.request.headers.upsert({ key: 'x-singr-nonce', value: nonce });
    pm.request.headers.upsert({ key: 'x-singr-signature', value: signature });
}
""".strip()

# Run as a whole, the collection says whether the caller is known; what the examples' ids lead to is another matter.
CHECK = r"""
pm.test('The API answered, and knows who is calling', () => {
    pm.expect(pm.response.code).to.be.below(500);
    const isProblem = (pm.response.headers.get('content-type') || '').includes('problem+json');
    const slug = isProblem ? pm.response.json().type.split('/').pop() : '';
    const unknown = ['unauthenticated', 'signature-refused', 'request-replayed', 'token-refused', 'token-expired'];
    pm.expect(unknown).to.not.include(slug);
});
if (pm.info.requestName === 'Create a job' && pm.response.code === 202) {
    pm.collectionVariables.set('job_id', pm.response.json().id);
}
""".strip()

SOME_ID = "01920000-0000-7000-8000-000000000001"
VARIABLES = {
    "baseUrl": "http://localhost:3000",
    "keyId": "",
    "signingSecret": "",
    "apiKey": "",
    "accessToken": "",
    "organization_id": SOME_ID,
}


def main() -> int:
    """Write the collection."""
    TARGET.write_text(written(json.loads(as_json(openapi_document()))), encoding="utf-8")
    print("wrote docs/postman.json")
    return 0


def written(document: dict[str, Any]) -> str:
    """Return the collection for an OpenAPI document, as Postman imports it."""
    return json.dumps(collection(resolved(document)), indent=2, ensure_ascii=False) + "\n"


def resolved(document: dict[str, Any]) -> dict[str, Any]:
    """Put what operations refer to, but for schemas, in the place of the reference: Postman follows none."""

    def follow(part: Any) -> Any:
        if isinstance(part, list):
            return [follow(item) for item in part]
        if not isinstance(part, dict):
            return part
        _, _, where = part.get("$ref", "").partition("#/components/")
        kind, _, name = where.partition("/")
        if kind and kind != "schemas":
            return follow(document["components"][kind][name])
        return {key: follow(value) for key, value in part.items()}

    return {**document, "paths": follow(document["paths"])}


def collection(document: dict[str, Any]) -> dict[str, Any]:
    """Turn the OpenAPI document into a Postman collection (format 2.1), one folder for each tag."""
    folders: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                folders[item[method]["tags"][0]].append(request_item(path, method, item[method]))
    return {
        "info": {
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "event": [event("prerequest", SIGN), event("test", CHECK)],
        "variable": [{"key": key, "value": value} for key, value in (VARIABLES | in_paths(document)).items()],
        "item": [{"name": name, "item": items} for name, items in folders.items()],
    }


def event(listen: str, script: str) -> dict[str, Any]:
    """Return a script of the whole collection."""
    return {"listen": listen, "script": {"type": "text/javascript", "exec": script.splitlines()}}


def in_paths(document: dict[str, Any]) -> dict[str, str]:
    """Return a value for each variable of a path: what the document names as one, else some id."""
    return {
        parameter["name"]: str(example_of(parameter["schema"]))
        for item in document["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    }


def example_of(schema: dict[str, Any]) -> Any:
    """Return a value that fits."""
    return (schema.get("examples") or schema.get("enum") or [SOME_ID])[0]


def request_item(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """Return one request with the answers it is sent for; refusals are alike everywhere, and said in the document."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    bodies = [example["value"] for example in content.get("examples", {}).values()]
    request = {
        "method": method.upper(),
        "header": headers(operation, with_body=bool(bodies)),
        "url": url(path, operation),
        "description": operation.get("description", ""),
    }
    if bodies:
        request["body"] = raw(bodies[0])
    examples = [
        {
            "name": f"{status} {example['summary']}",
            "originalRequest": request,
            "code": int(status),
            "header": [{"key": "Content-Type", "value": media_type}],
            "body": json.dumps(example["value"], indent=2, ensure_ascii=False),
        }
        for status, response in operation["responses"].items()
        if int(status) < FIRST_REFUSAL
        for media_type, media in response.get("content", {}).items()
        for example in media.get("examples", {}).values()
    ]
    return {"name": operation["summary"], "request": request, "response": examples}


def headers(operation: dict[str, Any], *, with_body: bool) -> list[dict[str, Any]]:
    """Return the headers that are not made by signing."""
    found: list[dict[str, Any]] = [{"key": "Content-Type", "value": "application/json"}] if with_body else []
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header":
            made = parameter["name"] == "Idempotency-Key"
            found.append({"key": parameter["name"], "value": "{{$guid}}" if made else "", "disabled": not made})
    return found


def url(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """Return the address: path variables in Postman's form, optional query parameters switched off."""
    parts = re.sub(r"\{(\w+)\}", r":\1", path).strip("/").split("/")
    query = [
        {
            "key": parameter["name"],
            "value": "{{organization_id}}" if parameter["name"] == "organization_id" else "",
            "description": parameter.get("description", ""),
            "disabled": parameter["name"] != "organization_id",
        }
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    ]
    return {
        "raw": "{{baseUrl}}/" + "/".join(parts),
        "host": ["{{baseUrl}}"],
        "path": parts,
        "query": query,
        "variable": [{"key": name, "value": "{{" + name + "}}"} for name in re.findall(r"\{(\w+)\}", path)],
    }


def raw(body: Any) -> dict[str, Any]:
    """Return a JSON body."""
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}


if __name__ == "__main__":
    sys.exit(main())
