"""The peer that most Python teams run: Celery with django-anymail. `python -m bench.mail.celery_anymail STEP BROKER …`.

It runs in an environment without Singr. `fill BROKER COUNT` enqueues mails; `work BROKER PROVIDER CONCURRENCY` sends
them by prefork processes until it is ended, each by one call of Mailjet's API, with retries as Celery has them. The
words are rendered already, nothing is written down but what the broker keeps, and nobody's limits are counted.
"""

from __future__ import annotations

import sys

from celery import Celery

HTML = "<p>" + "Somebody asked for a song at the Blue Note. " * 150 + "</p>"  # as long as ours
STEP, BROKER = sys.argv[1:3]

app = Celery("mail", broker=BROKER)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
)


@app.task(name="mail", autoretry_for=(Exception,), retry_backoff=True, max_retries=3)  # type: ignore[untyped-decorator] # Celery is not typed
def mail(number: int) -> None:
    """Send one e-mail."""
    from django.core.mail import EmailMultiAlternatives  # noqa: PLC0415 - Django is set up by then

    message = EmailMultiAlternatives(
        "New request at Blue Note", HTML, "noreply@singrkaraoke.com", [f"singer-{number}@singers.example"]
    )
    message.attach_alternative(HTML, "text/html")
    message.metadata = {"number": number}
    message.send()


def set_up(provider: str) -> None:
    """Django, with Mailjet at this address."""
    import django  # noqa: PLC0415 - of the peer's environment
    from django.conf import settings  # noqa: PLC0415 - likewise

    settings.configure(
        EMAIL_BACKEND="anymail.backends.mailjet.EmailBackend",
        INSTALLED_APPS=["anymail"],
        ANYMAIL={
            "MAILJET_API_KEY": sys.argv[5],
            "MAILJET_SECRET_KEY": sys.argv[6],
            "MAILJET_API_URL": f"{provider}/v3.1/",
        },
    )
    django.setup()


if __name__ == "__main__":
    if STEP == "fill":
        for number in range(int(sys.argv[3])):
            mail.delay(number)
    elif STEP == "work":
        set_up(sys.argv[3])
        app.worker_main(
            ["worker", "--pool=prefork", f"--concurrency={sys.argv[4]}", "--loglevel=WARNING", "--without-gossip",
             "--without-mingle", "--without-heartbeat"]
        )  # fmt: skip
