"""Breakages of the security rows."""

from __future__ import annotations

from broken.breakage import Breakage, Edit

API = "apps/api/src/singr_api"
BODY = f"{API}/http/body.py"
GATE = f"{API}/admission/gate.py"
POLICY = f"{API}/admission/policy.py"
JOBS = f"{API}/work/jobs/routes.py"
AUTH = f"{API}/admission/auth.py"
PEOPLE = f"{API}/admission/people.py"
CSRF = f"{API}/admission/csrf.py"
SIGNING = "packages/singr-auth/src/singr_auth/_signing.py"
CREDENTIALS = "packages/singr-auth/src/singr_auth/accounts/credentials/_credentials.py"
INGEST_SQL = "packages/singr-jobs/src/singr_jobs/intake/_ingest_sql.py"

WIRE = "packages/singr-observability/src/singr_observability/server/_protocol.py"
WIRE_TESTS = "packages/singr-observability/tests/test_observability_wire.py"
ADDRESSES = "packages/singr-observability/src/singr_observability/_addresses.py"
API_TESTS = "apps/api/tests"
BAD_INPUT_TESTS = "apps/api/tests/test_api_bad_input.py"
POLICY_TESTS = "apps/api/tests/test_api_policy.py"
PEOPLE_TESTS = "apps/api/tests/test_api_people.py"
SIGNING_TESTS = "apps/api/tests/test_api_signing.py"

BAD_BODY = f"{BAD_INPUT_TESTS}::test_bad_body_is_refused_by_field_with_its_remedy_and_stores_nothing"
ADMITS = f"{POLICY_TESTS}::test_route_admits_whom_its_policy_names"
ADMITS_PEOPLE = f"{POLICY_TESTS}::test_route_admits_the_people_whom_its_policy_names"
COOKIE_ALONE = f"{POLICY_TESTS}::test_cookie_alone_changes_nothing_on_any_route"
ALTERED = f"{SIGNING_TESTS}::test_altered_request_is_refused"

UNCHECKED = Edit(BODY, "    if not body.isascii():\n", "    return\n    if not body.isascii():\n")

BREAKAGES = (
    Breakage(
        "jobs-unguarded",
        "S26",
        "The table of jobs takes what a role with a grant writes as it comes",
        (
            Edit(
                "packages/singr-db/src/singr_db/_migrations/versions/0017_guarded_jobs.py",
                "WHEN (NOT NEW.placed AND NOT (",
                "WHEN (NEW.placed AND NOT (",
            ),
        ),
        "packages/singr-jobs/tests/test_jobs_hostile_role.py"
        "::test_job_that_no_declaration_would_allow_is_refused_by_its_column[backoff that is no number]",
        "DID NOT RAISE",
        "a job with a backoff of NaN was stored, whose failure no worker could write down",
    ),
    Breakage(
        "forwarded-as-text",
        "S23",
        "Forwarded addresses are taken as the text that came",
        (Edit(ADDRESSES, "        address = ip_address(_without_port(text)", "        address = ip_address((text)"),),
        f"{API_TESTS}/test_api_forwarded.py::test_address_in_any_form_comes_to_one_name"
        "[198.51.100.5:54321-198.51.100.5]",
        "assert '10.0.0.1' == '198.51.100.5'",
        "everybody whose proxy sends ports along shared the proxy's own limit",
    ),
    Breakage(
        "head-unlimited",
        "S18",
        "A head may have any size",
        (
            Edit(WIRE, "        if self._head > self._limits.head_bytes:\n", "        if self._head > 1 << 40:\n"),
            Edit(WIRE, "            and len(data) <= self._limits.head_bytes\n", ""),
        ),
        f"{WIRE_TESTS}::test_request_past_its_limits_is_refused_in_a_problem_document[parts1-431]",
        "assert 200 == 431",
        "a head of 66 KB was read and answered",
    ),
    Breakage(
        "head-dripped",
        "S18",
        "The time for a head begins anew with each byte",
        (Edit(WIRE, "        elif self._deadline is None:\n", "        else:\n            self._no_deadline()\n"),),
        f"{WIRE_TESTS}::test_dripped_head_is_refused_though_something_arrives_all_the_time",
        "TimeoutError",
        "a head that came a byte at a time was waited for without end",
    ),
    Breakage(
        "wish-skips-the-body",
        "S18",
        "A request that would rather speak another protocol ends with its head",
        (
            Edit(
                WIRE,
                "                data = self._turned_down() + data[at.args[0] :]\n",
                "                data = data[at.args[0] :]\n",
            ),
            Edit(WIRE, "        if self.parser.should_upgrade():\n", "        if False:\n"),
        ),
        f"{WIRE_TESTS}::test_wish_for_another_protocol_changes_nothing[at once-length-h2c]",
        "its body is its own, and no request",
        "its body was taken for the next request of the connection",
    ),
    Breakage(
        "body-unchecked-nul",
        "S2",
        "Bodies are decoded without being looked at",
        (UNCHECKED,),
        f"{BAD_BODY}[lane-escaped NUL]",
        "assert 'NUL' in",
        "the field's own pattern, the second wall, still refused the NUL, but the answer did not say so",
    ),
    Breakage(
        "body-unchecked-deep",
        "S2",
        "Bodies are decoded without being looked at",
        (UNCHECKED,),
        f"{BAD_BODY}[handler-deep]",
        '"status":500',
        "200,000 levels reached the decoder, and the answer was 500",
    ),
    Breakage(
        "body-unlimited",
        "S2",
        "A body that does not say its size is read to its end",
        (
            Edit(BODY, "    if size > limit:\n        raise _too_large(limit)\n    return b", "    return b"),
            Edit(BODY, "        if size <= limit:\n", "        if size:\n"),
        ),
        f"{BAD_INPUT_TESTS}::test_oversize_body_is_413_declared_or_chunked[lane-chunked]",
        "malformed-body",
        "11 MB were read into memory and decoded",
    ),
    Breakage(
        "lists-walked-whole",
        "S2",
        "Lists that are too long are walked to their end before they are said to be",
        (
            Edit(
                "apps/api/src/singr_api/http/form/mending.py",
                "islice(_parts(bare_of(container), value), _most(container))",
                "_parts(bare_of(container), value)",
            ),
        ),
        f"{API_TESTS}/test_api_error_codes.py::test_a_refused_body_costs_no_more_than_a_good_one_of_its_route"
        "[SendNotification-body0]",
        "more is looked at than it may hold",
        "a body of 1 MB kept the event loop busy for seconds, and stopped all other callers",
    ),
    Breakage(
        "scope-unchecked",
        "S3",
        "The gate does not ask for the scope that the route's policy names",
        (Edit(GATE, "            caller.principal.require(policy.scope)\n", "            pass\n"),),
        f"{ADMITS}[/v1/jobs 1]",
        "== 403",
        "a credential for reading reached the route that creates jobs",
    ),
    Breakage(
        "route-made-anonymous",
        "S3",
        "The list of jobs is declared open to anybody, and nobody asks at import whether its handler fits that",
        (
            Edit(
                JOBS,
                'Answer("A page of results.", page=PAGE))',
                'Answer("A page of results.", page=PAGE), access=Access.ANONYMOUS, scope=None)',
            ),
            Edit(f"{API}/routing/rules.py", "        raise RouteError(handler.where, advice)\n", "        continue\n"),
        ),
        f"{ADMITS}[/v1/jobs 1]",
        "assert {500} <= {200, 302}",
        "the handler was reached without a caller, and answered 500",
    ),
    Breakage(
        "route-without-policy",
        "S3",
        "A route is served that the policy table does not know, under a default",
        (
            Edit(
                f"{API}/wiring/routes.py",
                "route.policy for route in routes()",
                'route.policy for route in routes() if route.policy.path != "/v1/deliveries"',
            ),
            Edit(
                POLICY,
                "        except KeyError:\n",
                "        except KeyError:\n"
                "            return Policy(method, template, Access.CALLER, Limit.NONE)\n"
                "        except ZeroDivisionError:\n",
            ),
        ),
        f"{POLICY_TESTS}::test_every_route_that_is_served_is_in_the_table_and_the_other_way_round",
        "/v1/deliveries",
        "the deliveries were served without a rule of theirs",
    ),
    Breakage(
        "expiry-ignored",
        "S3",
        "Credentials stay in force after they expired",
        (Edit(CREDENTIALS, "        return self.ends_at > clock.time()\n", "        return True\n"),),
        f"{ADMITS}[/v1/jobs 1]",
        "== 401",
        "an expired credential reached the routes of jobs",
    ),
    Breakage(
        "membership-unchecked",
        "S3",
        "Somebody who is no member of an organization acts for it all the same",
        (
            Edit(
                PEOPLE,
                "            raise _foreign(in_path=in_path is not None) from None\n",
                '            scopes = frozenset({"jobs:read"})\n',
            ),
        ),
        f"{ADMITS_PEOPLE}[/v1/jobs 1]",
        "== (403, 'organi",
        "the owner of another organization acted for this one",
    ),
    Breakage(
        "session-end-ignored",
        "S3",
        "An access token holds though its session has ended",
        (
            Edit(
                PEOPLE, "        if self._revocations.session_revoked(claims.session_id):\n", "        if not token:\n"
            ),
        ),
        f"{PEOPLE_TESTS}::test_session_that_is_ended_opens_nothing_within_a_second",
        "TimeoutError",
        "20 seconds after the session's end its token still listed jobs",
    ),
    Breakage(
        "csrf-unchecked",
        "S3",
        "A cookie alone authenticates requests that change something",
        (Edit(PEOPLE, "            self._csrf.check(headers, claims.session_id)\n", "            pass\n"),),
        f"{COOKIE_ALONE}[/v1/me 1]",
        ", not 403",
        "an account was changed by what any site can make a browser send",
    ),
    Breakage(
        "origin-unchecked",
        "S3",
        "Pages of every origin may use a session's cookies",
        (Edit(CSRF, "        origin = headers.get(_ORIGIN)\n", "        return\n"),),
        f"{COOKIE_ALONE}[/v1/auth 1]",
        "answered 422",
        "another site could sign somebody in under an account of its own",
    ),
    Breakage(
        "credentials-ranked",
        "S3",
        "Of two credentials on one request, one is believed",
        (
            Edit(
                AUTH,
                "    if (AUTHORIZATION in headers or COOKIE in headers) and carries_token(headers):\n",
                "    if headers is None:\n",
            ),
        ),
        f"{PEOPLE_TESTS}::test_more_than_one_kind_of_credential_is_refused",
        "answered 200",
        "a request with an access token and an API key was answered by the key alone",
    ),
    Breakage(
        "wrong-credential-for-none",
        "S3",
        "Where anybody may call, a credential that opens nothing is taken for none at all",
        (
            Edit(
                GATE,
                "        found = await self._authenticate(self._authenticator.known, scope, headers, received)\n",
                "        try:\n"
                "            found = await self._authenticate(self._authenticator.known, scope, headers, received)\n"
                "        except Problem:\n"
                "            found = None\n",
            ),
        ),
        f"{API_TESTS}/test_api_optional.py::test_wrong_credentials_are_refused_though_none_are_needed[key]",
        "assert 200 == 401",
        "a caller with a key that was mistyped was answered as a stranger, and never learnt it",
    ),
    Breakage(
        "nonce-forgotten",
        "S11",
        "Ingestion does not mind that a nonce was used before",
        (
            Edit(
                INGEST_SQL,
                "spent.mark IS NOT NULL OR record.nonce IS NOT NULL AND used.mark IS NULL AS replayed",
                "false AS replayed",
            ),
        ),
        f"{SIGNING_TESTS}::test_replay_is_refused_also_after_the_cache_is_flushed[lane]",
        "answered 202",
        "the same signed request was accepted a second time",
    ),
    Breakage(
        "nonce-forgotten-at-the-gate",
        "S11",
        "Signed requests to other routes than ingestion use up no nonce",
        (
            Edit(
                GATE, "        if policy.method not in SAFE and not policy.ingestion:\n", "        if policy is None:\n"
            ),
        ),
        f"{SIGNING_TESTS}::test_replayed_cancel_is_refused",
        "answered 200",
        "a recorded cancel could be sent again",
    ),
    Breakage(
        "timestamp-ignored",
        "S11",
        "A signature holds for ever",
        (Edit(SIGNING, "    if abs(now - int(timestamp)) > tolerance:\n", "    if int(timestamp) < 0:\n"),),
        f"{SIGNING_TESTS}::test_request_from_another_time_is_refused[lane--301]",
        "answered 202",
        "a request signed 301 s ago was accepted",
    ),
    Breakage(
        "body-unsigned",
        "S11",
        "The signature leaves the body out",
        (Edit(SIGNING, "\\n{hashlib.sha256(body).hexdigest()}", ""),),
        f"{ALTERED}[handler-body]",
        "answered 202",
        "a request with another body under the same signature was accepted",
    ),
    Breakage(
        "query-unsigned",
        "S11",
        "The signature leaves the query out",
        (Edit(GATE, 'return sent.decode("latin-1")', 'return sent.partition(b"?")[0].decode("latin-1")'),),
        f"{ALTERED}[lane-query]",
        "answered 422",
        "the signature covered a request with an added query, which was then refused for the query alone",
    ),
    Breakage(
        "method-unsigned",
        "S11",
        "The signature leaves the method out",
        (Edit(SIGNING, 'text = f"{method}\\n{path}', 'text = f"{path}'),),
        f"{ALTERED}[lane-method]",
        "answered ",
        "a GET under the signature of a POST was answered",
    ),
)
