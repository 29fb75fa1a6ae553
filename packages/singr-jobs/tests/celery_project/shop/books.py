"""What waits for something else."""

from celery import chain, chord

from shop import bank
from shop.tasks import app, charge, ship


@app.task
def report(takings):
    bank.say(f"took {sum(takings)}")


def fulfil(order, cents):
    chain(charge.si(order, cents), ship.si(order)).delay()


def close(orders):
    chord([charge.s(order, cents) for order, cents in orders.items()])(report.s())
