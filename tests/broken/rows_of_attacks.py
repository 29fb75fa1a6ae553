"""The rows about attacks (S): what each promises, and its tests."""

from __future__ import annotations

from broken.breakage import Row

_CUT_ANEW = (
    "packages/singr-comms/tests/test_comms_twilio_fields.py"
    "::test_text_whose_words_hold_a_field_stops_nobody_else_when_it_is_sent_again_cut_anew"
)
_INBOUND = "packages/singr-comms/tests/test_comms_inbound.py"
_CALLBACKS = "packages/singr-comms/tests/test_comms_callbacks.py"
_WEBHOOKS = "apps/api/tests/test_api_webhooks.py"

API = "apps/api/tests"
ACCOUNTS = "tests/security/test_accounts.py"
SESSIONS = "tests/security/test_sessions.py"
WIRE = "packages/singr-observability/tests/test_observability_wire.py"
SECRETS = "tests/security/test_account_secrets.py"
PROOFS = "tests/security/test_proofs.py"
ASKING = "packages/singr-auth/tests/test_auth_asking.py"
_LOGOS = "packages/singr-comms/tests/test_comms_logos.py"
_PICTURES = "packages/singr-comms/tests/test_comms_pictures.py"
_GUARDS = "packages/singr-comms/tests/test_comms_guards.py"
_TEN_THOUSAND = (
    "tests/security/test_money.py::test_ten_thousand_codes_to_one_prefix_stop_at_the_limit_over_processes_without_redis"
)
_OWN_LIMIT = "test_each_caller_behind_a_proxy_has_a_limit_of_their_own_on_a_socket_of_both_protocols"
_ENUMERATION = "tests/security/test_enumeration.py::test_answers_take_as_long_for_every_kind_of_account"
_LINEAGE = f"{SESSIONS}::test_refreshes_at_once_give_one_lineage"
_REUSED = f"{SESSIONS}::test_reused_refresh_token_ends_its_family_for_good"
_STEP = f"{ACCOUNTS}::test_a_time_step_is_accepted_once_however_often_at_once"
_LINK = f"{ACCOUNTS}::test_link_used_many_times_at_once_has_one_winner_and_get_uses_up_nothing"
_GUESSES = f"{ACCOUNTS}::test_guesses_are_bounded_over_processes_and_forwarded_addresses_and_the_victim_gets_in"
_REVOKED = f"{SESSIONS}::test_old_access_token_is_refused_by_every_process_within_a_second"
_STANDING = "packages/singr-auth/tests/test_auth_standing.py"
_BUDGETS = "packages/singr-auth/tests/test_auth_code_budgets.py"
_HANDS = (
    "tests/security/test_standing.py::test_session_from_before_the_second_factor_hands_no_power_on_until_it_proves_it"
)
_RESTORED = "packages/singr-auth/tests/test_auth_restored.py"
_REVOCATION = "packages/singr-auth/tests/test_auth_revocation.py"
_FLOWS = "packages/singr-auth/tests/test_auth_power.py::test_session_of_one_factor_where_two_are_on_hands_no_power_on"
_SCHEDULES = "apps/api/tests/test_api_schedules.py"
_POWER = "apps/api/tests/test_api_power.py"
_AT_ONCE = (
    "packages/singr-auth/tests/test_auth_at_once.py"
    "::test_organization_that_somebody_joins_while_its_only_owner_goes_keeps_one_or_ends"
)
_FALLEN = "tests/security/test_standing.py::test_key_and_invitation_of_whoever_fell_do_no_more_than_they_may"
_BY_PHONE_ALONE = (
    "packages/singr-auth/tests/test_auth_reset_by_sms.py::test_phone_that_is_the_second_factor_chooses_no_password"
)
_ALONE_IN = f"{ACCOUNTS}::test_no_first_factor_signs_in_alone_once_a_second_one_is_on"
_TURNED_ON = (
    "packages/singr-auth/tests/test_auth_opening.py"
    "::test_second_factor_that_is_turned_on_while_the_sign_in_waits_is_asked_for"
)
_INERT = "packages/singr-comms/tests/test_comms_inert.py"
_FORGED_LINES = (
    "packages/singr-observability/tests/test_observability_logging.py"
    "::test_line_breaks_and_control_characters_cannot_forge_lines"
)
_EXPORTS = tuple(
    f"packages/singr-comms/tests/test_comms_exports.py::{name}"
    for name in (
        "test_everything_is_there_in_clear_and_nothing_of_anybody_else",
        "test_jobs_say_nothing_of_anybody",
        "test_who_is_erased_while_it_is_written_has_none",
        "test_erasure_deletes_what_was_written",
    )
)
_NOWHERE = (
    "packages/singr-comms/tests/test_comms_erased_everywhere.py::test_nothing_of_who_is_erased_can_be_read_anywhere"
)
_AS_TEXT = "tests/security/test_hostile_texts.py::test_names_of_people_reach_their_mails_as_text_and_as_nothing_else"
_HOSTILE = "packages/singr-jobs/tests/test_jobs_hostile_role.py"
_COLUMNS = f"{_HOSTILE}::test_job_that_no_declaration_would_allow_is_refused_by_its_column"
_HOSTILE_SERVICE = (
    "tests/security/test_hostile_role.py::test_whatever_a_service_that_may_only_enqueue_writes_everybody_else_is_served"
)
_BEFORE = "packages/singr-db/tests/test_db_migrations_rows.py"
_CLOSED = f"{SESSIONS}::test_without_redis_nothing_that_guards_a_secret_opens_and_the_rest_goes_on"
_JOB_LOGS = "packages/singr-jobs/tests/test_jobs_logs.py::test_lines_are_kept_by_attempt_in_order_and_without_secrets"
_BAD_BODY = f"{API}/test_api_bad_input.py::test_bad_body_is_refused_by_field_with_its_remedy_and_stores_nothing"

ATTACKS = (
    Row(
        "S2",
        "Hostile bodies (NUL, integers past 64 bits, bad UTF-8, 200,000 levels, half characters, 11 MB in chunks) are"
        " answered 4xx, never 500, and store nothing; saying what is wrong costs no more than a good body of the route"
        " (full: in every place of the body, and 5,000 random corruptions)",
        (
            f"{_BAD_BODY}[lane-escaped NUL]",
            f"{API}/test_api_bad_input.py::test_oversize_body_is_413_declared_or_chunked[lane-chunked]",
            f"{API}/test_api_error_codes.py::test_a_refused_body_costs_no_more_than_a_good_one_of_its_route[SendNotification-body0]",
        ),
        (
            "tests/security/test_hostile_bodies.py::test_hostile_value_in_any_place_is_refused_and_stores_nothing",
            "tests/security/test_hostile_bodies.py::test_corrupted_body_is_never_a_fault_of_ours",
        ),
    ),
    Row(
        "S3",
        "Every route admits whom the policy table names and nobody else; a route that is not in the table is not served"
        " (full: every route by every single scope, expired, revoked, forged and foreign credentials; by members of"
        " nothing, of another organization and of this one, by expired, ended and forged tokens, and by cookies alone)",
        (
            f"{API}/test_api_policy.py::test_every_route_that_is_served_is_in_the_table_and_the_other_way_round",
            f"{API}/test_api_policy.py::test_route_admits_whom_its_policy_names[/v1/jobs 1]",
            f"{API}/test_api_policy.py::test_route_admits_the_people_whom_its_policy_names[/v1/jobs 1]",
            f"{API}/test_api_policy.py::test_cookie_alone_changes_nothing_on_any_route[/v1/me 1]",
        ),
        (
            "tests/security/test_access.py::test_every_route_admits_its_scope_and_no_other_and_no_dead_credential",
            "tests/security/test_access.py::test_every_route_admits_the_people_whom_its_policy_names",
        ),
    ),
    Row(
        "S4",
        "Known, unknown, disabled, password-less and unverified accounts get the same answer to sign-in, reset, sign-up"
        " and sign-in link (full: 500 of each, interleaved; medians of time within 5 %)",
        (f"{ACCOUNTS}::test_answer_does_not_tell_whether_an_account_exists[/v1/auth/sign-in]",),
        (
            f"{_ENUMERATION}[sign-in]",
            f"{_ENUMERATION}[password/forgot]",
            f"{_ENUMERATION}[register]",
            f"{_ENUMERATION}[magic-link]",
        ),
    ),
    Row(
        "S5",
        "A refresh token used again ends its family, and it stays ended: the one before, an orphaned branch, a stale"
        " lineage; at once, all get one successor; two tabs inside the grace window stay signed in (full: 50 at once)",
        (
            f"{_REUSED}[previous]",
            f"{SESSIONS}::test_two_tabs_inside_the_grace_window_both_stay_signed_in",
            f"{_LINEAGE}[12]",
        ),
        (f"{_LINEAGE}[50]",),
    ),
    Row(
        "S6",
        "A time-based code is accepted once, in ASCII digits, one step to either side (full: 50 at once)",
        (f"{_STEP}[12]", f"{ACCOUNTS}::test_codes_of_other_alphabets_and_far_steps_are_refused"),
        (f"{_STEP}[50]",),
    ),
    Row(
        "S7",
        "Four times the budget of guesses, over four processes and under invented forwarded addresses: what is"
        " looked at stays within the budget, and the victim signs in from a known device (full: also without a proxy,"
        " and with Redis away)",
        (f"{_GUESSES}[behind-a-proxy]", f"{ACCOUNTS}::test_codes_of_a_challenge_can_be_guessed_five_times"),
        (f"{_GUESSES}[without-one]", _CLOSED),
    ),
    Row(
        "S8",
        "Sign-in link, reset, invitation and backup code, many times at once: one winner; a GET uses up nothing (full:"
        " 50 at once)",
        (
            f"{_LINK}[12]",
            f"{ACCOUNTS}::test_backup_code_opens_once[12]",
            f"{ACCOUNTS}::test_invitation_is_accepted_once[12]",
        ),
        (f"{_LINK}[50]",),
    ),
    Row(
        "S9",
        "Forged access tokens are refused: no algorithm, another one, keys in the header, zero signatures, wrong type,"
        " audience, issuer, time, a refresh token",
        (f"{SESSIONS}::test_tokens_of_another_kind_or_altered_are_no_access_tokens",),
        (f"{SESSIONS}::test_no_altered_character_of_an_access_token_passes",),
    ),
    Row(
        "S10",
        "Sign-out, disabling, a new password, a lost role: the old token is refused by every process within a second,"
        " also once the database was restored to an earlier moment under them",
        (
            f"{_REVOKED}[sign-out]",
            f"{SESSIONS}::test_role_that_was_taken_away_opens_nothing_a_second_later",
            f"{_RESTORED}::test_a_session_that_is_ended_after_a_restore_is_refused_though_its_number_was_heard_before",
            f"{_RESTORED}::test_what_a_person_might_do_after_the_moment_of_a_restore_is_forgotten",
        ),
        (f"{SESSIONS}::test_without_postgres_tokens_are_refused_service_not_believed",),
    ),
    Row(
        "S11",
        "A signed request is accepted once, within 300 s, and only as it was signed; a replay is refused also after"
        " Redis was flushed (full: 50 replays at once over 4 processes and after both stores restarted; every byte"
        " altered)",
        (
            f"{API}/test_api_signing.py::test_request_from_another_time_is_refused[lane--301]",
            f"{API}/test_api_signing.py::test_altered_request_is_refused[lane-body]",
            f"{API}/test_api_signing.py::test_replay_is_refused_also_after_the_cache_is_flushed[lane]",
        ),
        (
            "tests/security/test_signed_requests.py::test_replays_at_once_over_several_processes_are_accepted_once",
            "tests/security/test_signed_requests.py::test_no_altered_byte_passes",
        ),
    ),
    Row(
        "S12",
        "Secrets that people were given or typed are in no log, metric, queue or Redis, and in no log that a handler"
        " writes of its job; what is known of a person is in their own export alone, and of who is erased in none, in"
        " no row, and in nothing that the master key opens",
        (f"{SECRETS}::test_secrets_are_in_no_log_store_metric_or_dump", _JOB_LOGS, *_EXPORTS, _NOWHERE),
        (f"{SECRETS}::test_secrets_are_in_no_log_of_the_worker_that_sends_them_either",),
    ),
    Row(
        "S13",
        "A dump of the database holds no usable token, key or code; authenticator secrets and phone numbers are sealed",
        (f"{SECRETS}::test_secrets_are_in_no_log_store_metric_or_dump",),
        (f"{SECRETS}::test_secrets_are_in_no_log_of_the_worker_that_sends_them_either",),
    ),
    Row(
        "S14",
        "Organizations name addresses that the platform is to fetch from (logos): of private networks, in every"
        " notation and beside public ones, names that answer differently the second time, redirects, peers that are"
        " slow, huge or no picture, pictures that swell, move, or carry what does not draw them: no connection is made"
        " that nobody looked at, nothing is stored but what draws a picture, and what is wrong is told by field",
        (
            f"{_LOGOS}::test_hosts_of_private_networks_are_refused_before_any_call[addresses12]",
            f"{_LOGOS}::test_picture_is_fetched_from_the_address_that_was_looked_at",
            f"{_LOGOS}::test_what_is_no_picture_is_refused[/elsewhere-redirects to another]",
            f"{_LOGOS}::test_who_answers_slowly_is_left",
            f"{_PICTURES}::test_pixels_that_inflate_to_more_than_a_picture_has_are_refused_in_little_memory",
            f"{_PICTURES}::test_nothing_is_kept_of_a_picture_but_what_draws_it[png-profile]",
        ),
        ("tests/security/test_logo_addresses.py::test_private_addresses_in_every_notation_lead_nowhere",),
    ),
    Row(
        "S15",
        "Codes are asked for to thousands of numbers that lie side by side and earn somebody money, with many accounts"
        " and organizations: no more than the limit go to one prefix or country, whatever they say, and none to a"
        " premium number or another country; what cannot be counted is not sent (full: 10,000 to one prefix, four"
        " processes, Redis away for half of them)",
        (
            f"{_GUARDS}::test_codes_for_numbers_side_by_side_stop_at_the_limit_over_all_organizations",
            f"{_GUARDS}::test_a_country_has_a_limit_that_holds_to_the_last_message_though_all_come_at_once",
            f"{_GUARDS}::test_messages_go_to_the_countries_that_are_named_and_to_no_dear_number[+499001234567-number_refused]",
            f"{_GUARDS}::test_what_cannot_be_counted_is_not_sent",
        ),
        (_TEN_THOUSAND,),
    ),
    Row(
        "S16",
        "Text of users adds no header, line or part to a mail: encoded words stay visible text, folding keeps every"
        " space, and the finished bytes are judged before they leave, also on a Python whose own header classes are"
        " vulnerable (full: through registration, worker and SMTP)",
        (
            f"{_INERT}::test_encoded_word_of_a_user_stays_visible_text_and_adds_no_header[title-reply-to]",
            f"{_INERT}::test_folding_keeps_every_space_between_words_with_accents[300]",
            f"{_INERT}::test_bytes_that_are_not_the_mail_that_was_meant_do_not_leave[header too many]",
        ),
        (f"{_AS_TEXT}[encoded words]",),
    ),
    Row(
        "S17",
        "Once a second factor is on, neither password nor link signs in alone, and a reset signs nobody in",
        (
            f"{_ALONE_IN}[totp]",
            f"{ACCOUNTS}::test_remembered_device_skips_the_second_factor_until_the_password_changes",
            _TURNED_ON,
            _BY_PHONE_ALONE,
        ),
        (f"{_ALONE_IN}[email]", f"{_ALONE_IN}[sms]"),
    ),
    Row(
        "S24",
        "A provider's callback that is forged, replayed, off by more than 300 seconds, signed for another address,"
        " shuffled, doubled or about what that provider was never given is refused or ignored, and is never a 500; 2xx"
        " comes after the commit alone, and the providers' own libraries agree on a thousand cases each (full: of fifty"
        " messages, in arrays that several workers apply at once)",
        (
            f"{_INBOUND}::test_twilios_validator_agrees",
            f"{_CUT_ANEW}[plain-name]",
            f"{_INBOUND}::test_stripes_library_agrees_but_for_times_to_come",
            f"{_INBOUND}::test_signature_of_another_time_is_refused[301]",
            f"{_CALLBACKS}::test_callbacks_in_every_order_doubled_end_in_the_highest_state",
            f"{_CALLBACKS}::test_callback_for_what_a_provider_was_never_given_changes_nothing",
            f"{_WEBHOOKS}::test_what_nothing_proves_is_refused_and_leaves_no_row",
        ),
        ("tests/security/test_callbacks.py::test_arrays_shuffled_and_doubled_over_workers_end_in_the_highest_state",),
    ),
    Row(
        "S21",
        "Text of users is inert wherever it is shown or handed on: headers, display names, bodies, SMS, providers'"
        " templates, logs; nothing in it turns the direction of the rest, or cannot be seen (full: through"
        " registration, worker and SMTP)",
        (
            f"{_INERT}::test_character_that_cannot_be_seen_or_turns_the_rest_is_taken_out[U+202E]",
            f"{_INERT}::test_nothing_that_mailjet_would_interpret_leaves[{{{{var:x}}}}-template]",
            f"{_INERT}::test_sms_of_a_user_reaches_twilio_as_one_field",
            _FORGED_LINES,
        ),
        (f"{_AS_TEXT}[mixed]",),
    ),
    Row(
        "S18",
        "Heads of any size, with fields without number, dripped or never finished, are refused with 431 or 408, and"
        " cost no memory; a wish for another protocol takes no request its body (full: 32 MB, 400,000 fields, hundreds"
        " half-open, on the ports of API, worker and inbox)",
        (
            f"{WIRE}::test_request_past_its_limits_is_refused_in_a_problem_document[parts1-431]",
            f"{WIRE}::test_dripped_head_is_refused_though_something_arrives_all_the_time",
            f"{WIRE}::test_the_longest_waiting_connection_makes_room_for_a_newcomer",
            f"{WIRE}::test_wish_for_another_protocol_changes_nothing[at once-length-h2c]",
        ),
        ("tests/security/test_heads.py::test_hundreds_of_heads_at_once_are_refused_in_little_memory[api-32 MB]",),
    ),
    Row(
        "S23",
        "A forwarded address in any form that proxies send comes to one name and one limit for each caller, and to none"
        " that strangers share",
        (
            f"{API}/test_api_forwarded.py::test_address_in_any_form_comes_to_one_name[198.51.100.5:54321-198.51.100.5]",
            f"{API}/test_api_forwarded.py::test_who_is_named_by_nobody_is_known_by_the_proxy_that_did_not_name_them[unknown]",
            f"{API}/test_api_forwarded.py::test_nobody_is_a_proxy_by_an_address_that_stands_for_one[2002:a00:1::1]",
            f"{API}/test_api_forwarded.py::{_OWN_LIMIT}",
        ),
        ("tests/security/test_forwarded.py::test_every_form_of_an_address_is_one_caller_and_no_two_callers_are_one",),
    ),
    Row(
        "S26",
        "A service that may only enqueue, and writes SQL of its own, stores no job that a declaration would refuse, by"
        " any column, and holds up nobody; grants from before are held to that as well (full: every column with every"
        " kind of wrong value, and 30 keys in a transaction without end, beside callers and a worker)",
        (
            f"{_COLUMNS}[queue of 12,000 characters]",
            f"{_COLUMNS}[backoff that is no number]",
            f"{_HOSTILE}::test_job_at_every_bound_is_stored",
            f"{_BEFORE}::test_grants_and_jobs_from_before_the_bounds_stay_and_new_jobs_are_held_to_them",
        ),
        (_HOSTILE_SERVICE,),
    ),
    Row(
        "S20",
        "The proof of a mailbox acts for no account that did not ask in this session: a change of address by typo and"
        " by trojan, an invitation; and the address that was left takes the account back (full: every kind of token at"
        " every route)",
        (
            f"{PROOFS}::test_stranger_who_clicks_the_mail_of_a_mistyped_address_gets_no_account",
            f"{PROOFS}::test_victim_of_a_trojan_mail_keeps_their_registration_and_shares_no_account",
            f"{PROOFS}::test_session_that_asked_confirms_and_the_old_address_takes_the_account_back",
            f"{PROOFS}::test_invitation_joins_nobody_but_its_addressee[somebody else]",
        ),
        (f"{PROOFS}::test_no_token_of_any_kind_does_anything_for_another_purpose",),
    ),
    Row(
        "S22",
        "A stranger who knows only an address cannot close all ways for its owner: wrong passwords, links, resets and"
        " registrations from many addresses (full: without number)",
        (
            f"{PROOFS}::test_strangers_who_ask_for_everything_leave_the_owner_a_way_in",
            f"{PROOFS}::test_strangers_who_register_an_address_leave_its_owner_a_way_in",
            f"{ASKING}::test_owner_gets_a_link_that_works_after_strangers_asked_for_everything",
            f"{_BUDGETS}::test_owners_session_proves_itself_after_a_stranger_used_up_their_tries",
        ),
        (f"{PROOFS}::test_strangers_without_number_keep_no_link_from_the_owners_mailbox",),
    ),
    Row(
        "S19",
        "Whoever loses standing (removed, demoted, gone, handed over, disabled, deleted, a role that shrank): their"
        " keys, keys of those keys, invitations, schedules and waiting jobs do no more than they may, in every process"
        " within a second; a key that is revoked takes with it what it and those before it made, whoever revokes it;"
        " whatever an organization's people do at once, it keeps an owner; and a session of one factor hands no power"
        " on where two are on, uses no role on the platform, and is given no answer again that it could not ask for"
        " (full: every way over HTTP)",
        (
            f"{_FALLEN}[demoted]",
            f"{_FALLEN}[removed]",
            f"{_STANDING}::test_jobs_that_wait_are_cancelled_with_the_right_to_ask_for_them[removed]",
            f"{_HANDS}[key]",
            f"{_HANDS}[invitation]",
            f"{_FLOWS}[invite an owner]",
            f"{_POWER}::test_platform_role_is_used_by_whole_sessions_alone_on_every_route",
            f"{_POWER}::test_answer_that_is_kept_is_not_given_again_to_a_session_of_one_factor[a key]",
            f"{_REVOCATION}::test_undo_revokes_keys_that_the_thiefs_key_made",
            f"{_REVOCATION}::test_jobs_that_wait_are_cancelled_with_the_key_that_asked_and_those_it_made",
            f"{_REVOCATION}::test_revoking_a_successor_takes_what_its_predecessors_made_and_sent[a person-0]",
            f"{_REVOCATION}::test_revoking_a_key_takes_the_successor_that_it_made_by_itself",
            f"{_REVOCATION}::test_invitation_ends_with_the_key_that_sent_it",
            f"{_AT_ONCE}[delete the account-customer_staff]",
            f"{_SCHEDULES}::test_a_schedule_stops_with_the_standing_of_who_made_it[removed]",
            f"{_SCHEDULES}::test_a_schedule_stops_with_the_credential_that_made_it",
            f"{_SCHEDULES}::test_what_was_asked_for_the_platform_is_asked_for_it_no_more_by_whoever_left_it[True]",
        ),
        (f"{_FALLEN}[disabled]", f"{_FALLEN}[handed over]"),
    ),
)
