"""What a provider consists of: its settings, the class itself, its simulator, and a bench for the common suite."""

from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Final

from scripts.new._edits import before, member
from scripts.new._plan import COMMS, COMMS_TESTS, Plan, camel, filled, title, unused

_SECTIONS: Final = "packages/singr-config/src/singr_config/sections"
_SIMULATORS: Final = "packages/singr-dev/src/singr_dev/simulators"
_CONFIG_CLI: Final = "import sys; from singr_config._cli import main; sys.exit(main(sys.argv[1:]))"
_GENERATED: Final = (".env.example", "docs/CONFIGURATION.md")
RUN_CONFIG: Final = (
    ("-c", _CONFIG_CLI, "env", "--write", _GENERATED[0]),
    ("-c", _CONFIG_CLI, "docs", "--write", _GENERATED[1]),
)

_BY_CHANNEL: Final = MappingProxyType(
    {
        "email": {
            "What": "E-mail",
            "what": "e-mail",
            "Names": "EmailProviderName",
            "Envelope": "EmailEnvelope",
            "Port": "EmailProvider",
            "imports": "from singr_comms.channels.email import EmailAddress, EmailEnvelope, check_email, render_email\n"
            "from singr_comms.models._message import checked",
            "sender_said": "The From address.",
            "sender_type": "EmailAddress",
            "sender_kept": "checked(sender, EmailAddress)",
            "take": "rendered = render_email(check_email(envelope).message, self._brand)",
            "body": '"from": self._sender.email, "to": envelope.to.email, "subject": rendered.subject,'
            ' "text": rendered.text, "html": rendered.html',
            "fields": '"from", "to", "subject", "text", "html"',
            "recipient": r"[^@\s]+@[^@\s]+\.[a-z]+",
            "sms_setting": "",
            "sms_environ": "",
            "bench_sender": "SENDER, ",
            "bench_imports": "EmailAddress, EmailEnvelope",
            "bench_from": "SENDER",
            "bench_rejected": 'EmailAddress("jane.doe@localhost")',
            "factory_sender": "given.sender()",
        },
        "sms": {
            "What": "SMS",
            "what": "SMS",
            "Names": "SmsProviderName",
            "Envelope": "SmsEnvelope",
            "Port": "SmsProvider",
            "imports": "from singr_comms.channels.sms import SmsEnvelope, check_sms, render_sms",
            "sender_said": "Phone number in E.164 form that the SMS comes from.",
            "sender_type": "str",
            "sender_kept": "sender",
            "take": "text = render_sms(check_sms(envelope).message, self._brand)",
            "body": '"from": self._sender, "to": envelope.to, "text": text',
            "fields": '"from", "to", "text"',
            "recipient": r"\+[1-9][0-9]{6,14}(?<!5550001)",
            "sms_setting": "    phone_number: Annotated[\n"
            '        str, Variable("${ENV}_PHONE_NUMBER", e164(), "Number that messages come from.", needed=_${ENV})\n'
            '    ] = ""\n',
            "sms_environ": '"${ENV}_PHONE_NUMBER": "+15005550006",',
            "bench_sender": "",
            "bench_imports": "SmsEnvelope",
            "bench_from": '"+15005550006"',
            "bench_rejected": '"+15005550001"',
            "factory_sender": "given.settings.${name}.phone_number",
        },
    }
)


def provider(root: Path, name: str, channel: str) -> Plan:
    """A provider of e-mail or SMS over HTTP, with an API key as bearer token."""
    kind = camel(name)
    delivery = f"{_SECTIONS}/_delivery.py"
    unused(root, f"{kind}Settings", delivery)
    unused(root, f"_{name}", delivery)
    own = {"name": name, "ENV": name.upper(), "Type": kind, "Title": title(name)}
    own |= {"channel": channel, "CHANNEL": channel.upper()}
    words = own | {key: Template(value).safe_substitute(own) for key, value in _BY_CHANNEL[channel].items()}
    section = f"{channel.capitalize()}Settings"
    return Plan(
        new={
            f"{COMMS}/providers/{name}.py": filled("provider/provider.py.txt", **words),
            f"{_SIMULATORS}/{name}.py": filled("provider/simulator.py.txt", **words),
            f"{COMMS_TESTS}/comms_benches/{name}.py": filled("provider/bench.py.txt", **words),
        },
        edits={
            delivery: (
                member(words["Names"], f'    {own["ENV"]} = "{name}"\n'),
                member(section, f"    {name}: {kind}Settings = {kind}Settings()\n"),
                before(section, filled("provider/settings.py.txt", **words)),
            ),
        },
        run=RUN_CONFIG,
        generated=_GENERATED,
        left=(
            f"{COMMS}/providers/{name}.py, {_SIMULATORS}/{name}.py: what the API really takes and answers.",
            f"{COMMS_TESTS}/comms_benches/{name}.py: its codes, and whether it drops copies.",
            f"{COMMS_TESTS}/test_comms_conformance.py: a class on HttpProviderSuite that says how the service answers.",
            f"docs/providers/{name}.md: set up, try it, trouble, as the pages beside it.",
            f"{delivery}: what its settings are for; docs/CONFIGURATION.md and .env.example say it from there.",
        ),
    )
