"""What the shop does in the background."""

from celery import Celery
from celery.schedules import crontab

from shop import bank

app = Celery("shop", broker="redis://localhost/0", backend="redis://localhost/1")


@app.task
def ship(order):
    bank.say(f"shipped {order}")


@app.task(bind=True, max_retries=3, time_limit=30)
def charge(self, order, cents):
    try:
        return bank.charge(order, cents)
    except bank.BusyError as error:
        raise self.retry(exc=error, countdown=60) from error


@app.task(autoretry_for=(bank.LostError,), max_retries=4, retry_backoff=5)
def remind(order):
    bank.say(f"reminded {order}")


app.conf.timezone = "Europe/Berlin"
app.conf.beat_schedule = {
    "nightly": {"task": "shop.tasks.ship", "schedule": crontab(hour=2, minute=30), "args": (0,)},
}
