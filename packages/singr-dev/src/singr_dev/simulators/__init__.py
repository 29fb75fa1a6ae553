"""Providers on loopback: as strict as the real ones, and able to misbehave when told to."""

from singr_dev.simulators._simulator import Received, Simulator
from singr_dev.simulators.fcm import FcmSimulator
from singr_dev.simulators.mailjet import MailjetSimulator
from singr_dev.simulators.resend import ResendSimulator
from singr_dev.simulators.salum import SalumSimulator
from singr_dev.simulators.stripe import StripeSimulator
from singr_dev.simulators.twilio import TwilioSimulator

__all__ = [
    "FcmSimulator",
    "MailjetSimulator",
    "Received",
    "ResendSimulator",
    "SalumSimulator",
    "Simulator",
    "StripeSimulator",
    "TwilioSimulator",
]
