"""The OpenAPI document: valid, whole, as committed, and readable without anybody else's server."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from singr_api.admission.people import SAFE
from singr_api.admission.policy import Access
from singr_api.operations.documentation.document import as_json, as_yaml, openapi_document
from singr_api.routing.patterns import published
from singr_api.routing.shared_parts import share
from singr_api.wiring.routes import policy_table
from singr_auth.accounts import EMAIL_PATTERN, NAME_PATTERN
from singr_config import BrandSettings
from singr_platform import all_jobs

POLICIES = policy_table().policies

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = json.loads(as_json(openapi_document()))


@pytest.fixture(scope="module")
def written() -> bytes:
    """The document as YAML."""
    return as_yaml(openapi_document())


def test_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_committed_document_is_the_one_that_is_served(written: bytes) -> None:
    committed = (ROOT / "docs" / "openapi.yaml").read_bytes()
    assert committed == written, "run: uv run scripts/export_openapi.py"


def test_the_postman_collection_has_every_operation() -> None:
    collection = json.loads(runpy.run_path(str(ROOT / "scripts/generate_postman.py"))["written"](DOCUMENT))
    named = {item["name"] for folder in collection["item"] for item in folder["item"]}
    assert named == {operation["summary"] for _, operation in operations()}


@pytest.mark.parametrize("policy", [one for one in POLICIES if one.access is Access.PROVIDER], ids=str)
def test_callbacks_document_what_becomes_of_those_that_nothing_proves(policy: Any) -> None:
    responses = DOCUMENT["paths"][policy.path][policy.method.lower()]["responses"]
    assert "callback-refused" in str(followed(responses["401"]))
    assert {"404", "413", "503"} <= set(responses)


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    ]


def test_every_operation_documents_its_errors_with_examples() -> None:
    wrong = []
    for name, operation in operations():
        try:
            documents_its_errors(name, operation)
        except (AssertionError, LookupError) as error:
            wrong.append(f"{name}: {error!r}")
    assert wrong == []


def documents_its_errors(name: str, operation: dict[str, Any]) -> None:
    policy = next(policy for policy in POLICIES if f"{policy.method} {policy.path}" == name)
    expected = {"400", "431", "500"}
    if policy.access is Access.CALLER:
        expected |= {"401", "403", "406", "413", "429", "503"}
        lacking = followed(operation["responses"]["403"])["headers"]
        assert ("WWW-Authenticate" in lacking) == (policy.scope is not None)
        assert operation["security"]
        assert {"AccessToken"} <= {name for way in operation["security"] for name in way}
    if policy.access is Access.USER:
        expected |= {"401", "403", "503"}
        assert {name for way in operation["security"] for name in way} <= {"AccessToken", "AccessCookie", "CsrfToken"}
    if policy.access in {Access.ANONYMOUS, Access.PROVIDER}:
        assert operation["security"] == []
        expected |= {"503"} if policy.method not in SAFE else set()  # each of them asks the database, or hashes
    else:
        by_cookie = next(way for way in operation["security"] if "AccessCookie" in way)
        assert ("CsrfToken" in by_cookie) == (policy.method not in SAFE)
    if policy.closed:
        assert policy.closed in operation["description"]
        assert "guard-unavailable" in str(followed(operation["responses"]["503"]))
        assert "429" in operation["responses"]
    if policy.takes_body:
        expected |= {"415", "422"}
        assert operation["requestBody"]["content"]["application/json"]["examples"]
    assert expected <= set(operation["responses"])
    for status, shared in operation["responses"].items():
        response = followed(shared)
        if status == "204":
            assert "content" not in response  # nothing follows
            continue
        problem = response.get("content", {}).get("application/problem+json")
        if int(status) >= 400 and problem is None:
            assert name == "GET /ready"
            continue
        if problem is not None:
            assert problem["examples"]
            examples = [followed(example) for example in problem["examples"].values()]
            assert all(example["value"]["status"] == int(status) for example in examples)


def test_every_operation_and_parameter_says_what_it_is_for() -> None:
    bare = [name for name, operation in operations() if not operation.get("description")]
    bare += [
        f"{name} {parameter['name']}"
        for name, operation in operations()
        for parameter in map(followed, operation.get("parameters", ()))
        if not parameter.get("description")
    ]
    assert bare == []


def test_document_names_whom_to_ask() -> None:
    brand = BrandSettings(name="Sway", support="help@sway.example")
    assert openapi_document(brand=brand)["info"]["contact"] == {"name": "Sway", "email": "help@sway.example"}


def followed(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = DOCUMENT
    for key in part["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return dict(found)


def test_unions_are_told_apart_by_their_tags() -> None:
    body = DOCUMENT["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["discriminator"]["propertyName"] == "type"
    types = {job.name for job in all_jobs() if job.request is not None}
    assert {"email.send", "sms.send"} <= types
    assert set(body["discriminator"]["mapping"]) == types
    assert len(body["oneOf"]) == len(types)
    message = DOCUMENT["components"]["schemas"]["EmailRequest"]["properties"]["message"]
    assert message["discriminator"]["propertyName"] == "kind"


def test_a_tag_that_tells_nothing_apart_may_be_left_out_as_the_api_takes_it() -> None:
    payload = DOCUMENT["components"]["schemas"]["EmailDigest"]
    assert payload["required"] == ["user", "period", "start", "end"]
    assert payload["properties"]["type"]["enum"] == ["email.digest"]
    told_apart = DOCUMENT["components"]["schemas"]["CreateEmailDigestJob"]
    assert "type" in told_apart["required"]


def test_what_callers_send_admits_no_unknown_field() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("CreateEmailSendJob", "CreateSmsSendJob", "EmailRequest", "SmsRequest", "EmailAddress", "SongRequest"):
        assert schemas[name]["additionalProperties"] is False, name


def test_every_reference_leads_somewhere() -> None:
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT))):
        part: Any = DOCUMENT
        for key in reference.split("/"):
            part = part[key]
    text = json.dumps(DOCUMENT["components"]["schemas"])
    assert "Args:" not in text
    assert "Attributes:" not in text


async def test_request_examples_are_accepted(api_url: str, callers: Any, client: Any, world: Any) -> None:
    content = DOCUMENT["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    for name, example in content["examples"].items():
        answer = await client(api_url, callers.platform).post("/v1/jobs", json=example["value"], headers=world.key())
        assert answer.status_code == 202, (name, answer.text)


async def test_document_is_served_as_json_and_yaml(api_url: str, client: Any) -> None:
    caller = client(api_url)
    as_served = (await caller.get("/schema/openapi.json")).json()
    assert yaml.load((await caller.get("/schema/openapi.yaml")).text, Loader=yaml.CSafeLoader) == as_served
    assert as_served["paths"] == DOCUMENT["paths"]


async def test_page_loads_nothing_from_elsewhere(api_url: str, client: Any) -> None:
    caller = client(api_url)
    page = await caller.get("/schema")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    for address in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        assert address == "data:," or (await caller.get(address)).status_code == 200
    for path in ("/schema/page.js", "/schema/page.css"):
        text = (await caller.get(path)).text
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text


# What readers of either YAML take a plain word for: the schemas of 1.1 and 1.2, by their own rules.
OTHER_THAN_TEXT = re.compile(
    r"~|null|true|false|y|yes|no?|on|off|<<|=|[-+]?\.(inf|nan)|[-+]?[0-9][0-9_]*|0o[0-7]+|0b[01_]+|0x[0-9a-f_]+"
    r"|[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)(e[-+]?[0-9]+)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|\d{4}-\d\d?-\d\d?([Tt \t].*)?",
    re.ASCII | re.IGNORECASE,
)


def plain_texts(node: yaml.Node) -> list[str]:
    if isinstance(node, yaml.ScalarNode):
        return [node.value] if node.style is None and node.tag == "tag:yaml.org,2002:str" else []
    parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    return [text for part in parts for text in plain_texts(part)]


def test_no_text_of_the_yaml_reads_otherwise_to_another_version_of_yaml(written: bytes) -> None:
    node = yaml.compose(written, Loader=yaml.CSafeLoader)
    assert [text for text in plain_texts(node) if OTHER_THAN_TEXT.fullmatch(text)] == []


@pytest.mark.parametrize(
    "text", ["042917", "1e3", "0o14", "12:30", "off", "", "2026-11-22", "null", ".5", "a\u2028b", "-", "~"]
)
def test_a_text_stays_a_text(text: str) -> None:
    written = as_yaml({"it": text}).decode()
    assert written[4] in "'\""
    assert yaml.safe_load(written) == {"it": text}


def patterns(part: Any) -> set[str]:
    if isinstance(part, list):
        return {pattern for item in part for pattern in patterns(item)}
    if not isinstance(part, dict):
        return set()
    own = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
    return own | {pattern for item in part.values() for pattern in patterns(item)}


def test_published_patterns_look_around_nowhere_and_escape_as_all_readers_do() -> None:
    for pattern in patterns(DOCUMENT):
        assert re.compile(pattern)
        assert "(?" not in pattern.replace("(?:", ""), pattern
        assert "\\u" not in pattern, pattern
        assert pattern.endswith("$"), pattern


@pytest.mark.parametrize(
    ("checked", "admitted", "refused"),
    [
        (NAME_PATTERN, ["Ada", " Ada ", "ä\u3000b"], ["", " ", "\u3000", "a\nb", "\u202ea"]),
        (EMAIL_PATTERN, ["ada@example.org"], ["ada", "a@b@c"]),
        (r"^[a-z]+(?![\s\S])", ["ab"], ["aB", ""]),
        (r"^(?![^@]{3})(?=(a|[)])*b)[a-z]+(?![\s\S])", ["ab"], ["A"]),
    ],
)
def test_published_pattern_says_what_the_strict_one_checks(
    checked: str, admitted: list[str], refused: list[str]
) -> None:
    assert all(re.search(checked, text) and re.search(published(checked), text) for text in admitted)
    assert not any(re.search(published(checked), text) for text in refused)


def test_no_field_has_a_default_that_generators_take_for_always_there() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert [
        (name, field)
        for name, schema in schemas.items()
        for field, property_ in schema.get("properties", {}).items()
        if "default" in property_
    ] == []
    assert 'Default: `"body"`' in schemas["SignIn"]["properties"]["delivery"]["description"]


@pytest.mark.parametrize("schema", ["JobView", "JobDetail"])
def test_a_job_that_is_answered_may_be_in_a_queue_that_a_service_declared(schema: str) -> None:
    queue = DOCUMENT["components"]["schemas"][schema]["properties"]["queue"]
    assert queue.keys() == {"type", "description", "pattern", "maxLength"}
    assert queue["type"] == "string"
    assert re.search(queue["pattern"], "billing-invoices")


@pytest.mark.parametrize(("schema", "field", "least"), [("Register", "password", 15), ("Reset", "password", 8)])
def test_the_schema_of_a_new_password_says_its_rule(schema: str, field: str, least: int) -> None:
    password = DOCUMENT["components"]["schemas"][schema]["properties"][field]
    assert (password["minLength"], password["maxLength"]) == (least, 256)


def without_messages(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the models of messages, of which there are as many as there are types."""
    parts = document["components"]
    kinds = {name: schema.get("properties", {}).get("kind", {}) for name, schema in parts["schemas"].items()}
    kept = {name: schema for name, schema in parts["schemas"].items() if len(kinds[name].get("enum", ())) != 1}
    return document | {"components": parts | {"schemas": kept}}


def test_what_operations_share_stands_once() -> None:
    for name, operation in operations():
        refusals = [part for status, part in operation["responses"].items() if int(status) >= 400]
        assert all("$ref" in part for part in refusals) or name == "GET /ready"
    own = [part for _, operation in operations() for part in operation["responses"].values() if "$ref" not in part]
    assert [part for part in own if own.count(part) > 1] == []
    assert len(as_yaml(without_messages(DOCUMENT))) < 4_400 * len(list(operations()))


def unshared(part: Any, components: dict[str, Any]) -> Any:
    """The part with what its references lead to in their place, but for schemas: some hold themselves."""
    if isinstance(part, list):
        return [unshared(item, components) for item in part]
    if not isinstance(part, dict):
        return part
    kind, _, name = str(part.get("$ref", "")).removeprefix("#/components/").partition("/")
    if kind and kind != "schemas":
        return unshared(components[kind][name], components)
    return {key: unshared(value, components) for key, value in part.items()}


def test_operations_say_the_same_with_what_they_share_by_reference() -> None:
    whole = unshared(DOCUMENT["paths"], DOCUMENT["components"])
    paths = json.loads(json.dumps(whole))
    components: dict[str, Any] = {"headers": {}, "examples": {}}
    share(paths, components)
    assert paths != whole
    assert unshared(paths, components) == whole


def test_structs_of_one_name_have_names_of_their_own_that_programs_can_take() -> None:
    names = list(DOCUMENT["components"]["schemas"])
    assert [name for name in names if not re.fullmatch("[A-Z][A-Za-z0-9]*", name)] == []
    assert len({name.lower() for name in names}) == len(names)


def on_a_wall(schema: dict[str, Any]) -> bool:
    """Whether it takes what clocks or calendars show at a place, and no moment."""
    taken = [re.search(schema.get("pattern", ""), text) for text in ("2026-11-28T17:00", "2026-11-28")]
    return any(taken) and not re.search(schema.get("pattern", ""), "2026-11-28T17:00:00Z")


def test_every_time_is_published_as_one() -> None:
    words = {"SecurityNotice", "MessagesEmailChanged"}  # a time in a mail, as its reader would say it
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, form in schema.get("properties", {}).items():
            if field.endswith(("_at", "_until")) and name not in words:
                places = (form, *form.get("anyOf", ()))
                assert any(place.get("format") == "date-time" or on_a_wall(place) for place in places), (
                    f"{name}.{field}"
                )
