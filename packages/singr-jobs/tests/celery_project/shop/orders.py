"""What the shop asks for."""

from shop.tasks import charge, remind


def place(order, cents):
    charge.delay(order, cents)


def remind_at(order, moment):
    remind.apply_async((order,), eta=moment)


def remind_in(order, seconds):
    remind.apply_async((order,), countdown=seconds)
