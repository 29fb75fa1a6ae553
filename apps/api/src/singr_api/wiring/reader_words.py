"""What the pages for readers of mails say, in each language that ships; `<bdi>` keeps a name from turning its line."""

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from singr_comms.catalogue import message_types, named_in

_SAID: Final = {
    "en": {
        "unsubscribe": "Unsubscribe",
        "unsubscribed": "You are unsubscribed",
        "ask": "Press the button to stop all mail from {sender}.",
        "ask_category": "Press the button to stop mail about {category} from {sender}.",
        "done": "You will no longer get mail from {sender}.",
        "done_category": "You will no longer get mail about {category} from {sender}.",
        "done_where": "This applies to the address that your mail was sent to.",
        "everything": "Stop all mail from {sender}",
        "security": "You will still get messages about your account and its security.",
        "or_choose": "Or choose what to receive",
        "choices": "What you get",
        "choose": "Choose what {sender} may send you.",
        "in_any_case": "You will always get messages about your account and its security.",
        "saved": "Saved",
        "saved_more": "This applies from now on, even to messages already on their way.",
        "ended": "You get no e-mail where its box is disabled below.",
        "ended_more": "You have unsubscribed, or mail to your address failed; your choices here do not change that."
        " Ask {sender} to write to you again.",
        "elsewhere": "Some boxes below are disabled.",
        "elsewhere_more": "Those messages were unsubscribed for an address or number that may not be yours. To switch"
        " them on, use the link in a mail that was sent to that address, or ask {sender}.",
        "nothing": "There is currently nothing to choose here.",
        "often": "How often",
        "usual": "As usual",
        "immediate": "At once",
        "daily": "In one e-mail a day",
        "weekly": "In one e-mail a week",
        "save": "Save",
        "sender": "this sender",
        "email": "E-mail",
        "sms": "Text message",
        "push": "Push",
        "inbox": "In the app",
        "no_link": "This link does not work",
        "no_link_more": "It is incomplete, or its sender is gone. Open it in the mail again, as a whole.",
        "expired": "This link has expired",
        "expired_more": "Open your preferences again where you came from.",
        "former": "This link was sent to an earlier address",
        "former_more": "It opens nothing of the address that you have now: use the link in a newer mail.",
        "no_form": "Nothing was saved",
        "no_form_more": "What arrived here is not what this page sends. Open its link again, and try once more.",
        "later": "Please try again later",
        "later_more": "This does not work right now. Your link stays valid.",
    },
    "de": {
        "unsubscribe": "Abbestellen",
        "unsubscribed": "Abbestellt",
        "ask": "Klicken Sie auf die Schaltfläche, wenn Sie keine E-Mails von {sender} mehr möchten.",
        "ask_category": "Klicken Sie auf die Schaltfläche, wenn Sie von {sender} keine E-Mails zu „{category}“ mehr"
        " möchten.",
        "done": "Sie erhalten keine E-Mails von {sender} mehr.",
        "done_category": "Sie erhalten von {sender} keine E-Mails zu „{category}“ mehr.",
        "done_where": "Das gilt für die Adresse, an die Ihre E-Mail ging.",
        "everything": "Gar keine E-Mails von {sender} mehr",
        "security": "Was Ihr Konto und dessen Sicherheit betrifft, erreicht Sie weiterhin.",
        "or_choose": "Oder auswählen, was Sie erhalten",
        "choices": "Was Sie erhalten",
        "choose": "Wählen Sie, was {sender} Ihnen senden darf.",
        "in_any_case": "Was Ihr Konto und dessen Sicherheit betrifft, erreicht Sie in jedem Fall.",
        "saved": "Gespeichert",
        "saved_more": "Es gilt ab sofort, auch für das, was schon unterwegs ist.",
        "ended": "Keine E-Mail, wo sich unten nichts ankreuzen lässt.",
        "ended_more": "Sie haben abbestellt, oder Ihre Adresse nahm nichts an: Was Sie hier speichern, ändert daran"
        " nichts. Bitten Sie {sender}, Ihnen wieder zu schreiben.",
        "elsewhere": "Einiges lässt sich unten nicht ankreuzen.",
        "elsewhere_more": "Es wurde für eine Adresse oder Nummer abbestellt, die vielleicht nicht Ihre ist. Um es"
        " wieder zu erhalten, nehmen Sie den Link aus einer E-Mail an diese Adresse, oder bitten Sie {sender}.",
        "nothing": "Zurzeit gibt es hier nichts auszuwählen.",
        "often": "Wie oft",
        "usual": "Wie üblich",
        "immediate": "Sofort",
        "daily": "In einer E-Mail am Tag",
        "weekly": "In einer E-Mail in der Woche",
        "save": "Speichern",
        "sender": "diesem Absender",
        "email": "E-Mail",
        "sms": "SMS",
        "push": "Mitteilung auf dem Gerät",
        "inbox": "In der App",
        "no_link": "Dieser Link funktioniert nicht",
        "no_link_more": "Er ist unvollständig, oder es gibt den Absender nicht mehr. Öffnen Sie ihn noch einmal aus der"
        " E-Mail, und zwar ganz.",
        "expired": "Dieser Link ist abgelaufen",
        "expired_more": "Öffnen Sie Ihre Einstellungen noch einmal dort, woher Sie kamen.",
        "former": "Dieser Link ging an eine frühere Adresse",
        "former_more": "Zu Ihrer jetzigen Adresse öffnet er nichts: Nehmen Sie den Link aus einer neueren E-Mail.",
        "no_form": "Nichts wurde gespeichert",
        "no_form_more": "Was hier ankam, ist nicht das, was diese Seite sendet. Öffnen Sie ihren Link noch einmal,"
        " und versuchen Sie es erneut.",
        "later": "Bitte versuchen Sie es später noch einmal",
        "later_more": "Das geht gerade nicht. Ihr Link bleibt gültig.",
    },
    "ar": {
        "unsubscribe": "إلغاء الاشتراك",
        "unsubscribed": "تم إلغاء اشتراككم",
        "ask": "اضغطوا الزر إن لم تعودوا ترغبون في رسائل بريد إلكتروني من {sender}.",
        "ask_category": "اضغطوا الزر إن لم تعودوا ترغبون في رسائل بريد إلكتروني عن {category} من {sender}.",
        "done": "لن تصلكم رسائل بريد إلكتروني أخرى من {sender}.",
        "done_category": "لن تصلكم رسائل بريد إلكتروني أخرى عن {category} من {sender}.",
        "done_where": "يسري ذلك على العنوان الذي أُرسلت إليه رسالتكم.",
        "everything": "لا أريد أي رسائل بريد إلكتروني من {sender}",
        "security": "ما يتعلق بحسابكم وأمانه سيظل يصلكم.",
        "or_choose": "أو اختاروا ما يصلكم",
        "choices": "ما يصلكم",
        "choose": "اختاروا ما يمكن أن يرسله إليكم {sender}.",
        "in_any_case": "ما يتعلق بحسابكم وأمانه يصلكم في كل الأحوال.",
        "saved": "تم الحفظ",
        "saved_more": "يسري ذلك من الآن، حتى على ما هو في الطريق.",
        "ended": "لا بريد إلكتروني حيث لا يمكن التحديد أدناه.",
        "ended_more": "لقد ألغيتم اشتراككم، أو لم يقبل عنوانكم الرسائل: ما تحفظونه هنا لا يغير ذلك."
        " اطلبوا من {sender} أن يراسلكم من جديد.",
        "elsewhere": "بعض الخانات أدناه معطلة.",
        "elsewhere_more": "أُلغي الاشتراك فيها لعنوان أو رقم قد لا يكون لكم. لتفعيلها استخدموا الرابط في رسالة أُرسلت"
        " إلى ذلك العنوان، أو اطلبوا ذلك من {sender}.",
        "nothing": "لا يوجد حاليًا ما يمكن اختياره هنا.",
        "often": "كم مرة",
        "usual": "كالمعتاد",
        "immediate": "فورًا",
        "daily": "في رسالة بريد إلكتروني واحدة يوميًا",
        "weekly": "في رسالة بريد إلكتروني واحدة أسبوعيًا",
        "save": "حفظ",
        "sender": "هذا المرسل",
        "email": "البريد الإلكتروني",
        "sms": "رسالة نصية",
        "push": "إشعار على الجهاز",
        "inbox": "في التطبيق",
        "no_link": "هذا الرابط لا يعمل",
        "no_link_more": "الرابط غير كامل، أو لم يعد المرسل موجودًا. افتحوه كاملًا من رسالة البريد الإلكتروني مرة أخرى.",
        "expired": "انتهت صلاحية هذا الرابط",
        "expired_more": "افتحوا تفضيلاتكم مرة أخرى من حيث أتيتم.",
        "former": "أُرسل هذا الرابط إلى عنوان سابق",
        "former_more": "لا يفتح شيئًا من عنوانكم الحالي: استخدموا الرابط في رسالة أحدث.",
        "no_form": "لم يُحفظ شيء",
        "no_form_more": "ما وصل إلى هنا ليس ما ترسله هذه الصفحة. افتحوا رابطها مرة أخرى، ثم أعيدوا المحاولة.",
        "later": "يُرجى إعادة المحاولة لاحقًا",
        "later_more": "لا يمكن ذلك الآن. يبقى رابطكم صالحًا.",
    },
}
_TAG: Final = re.compile(r"\s*([A-Za-z]{2,3})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?")


class Words(msgspec.Struct, frozen=True):
    """The words of one language.

    Args:
        lang: `en`, `de` or `ar`.
        reader: the language that is kept of the reader.
        organization: the organization's, for readers without one.
    """

    lang: str
    reader: str | None = None
    organization: str | None = None

    @property
    def dir(self) -> Literal["ltr", "rtl"]:
        """Which way it is written."""
        return "rtl" if self.lang == "ar" else "ltr"

    def __getitem__(self, name: str) -> str:
        """A text; `{sender}` and `{category}` in it stand for these."""
        return _SAID[self.lang][name]

    def channel(self, name: str) -> str:
        """What a way is called; its own name where there is no other."""
        return _SAID[self.lang].get(name, name)

    def category(self, name: str, names: Mapping[str, str] | None = None) -> str:
        """What a category is called within a sentence; its own name, in words, where nobody said.

        Args:
            name: its own name.
            names: by language; as this process knows them, unless given.
        """
        names = message_types.category_names(name) if names is None else names
        return named_in(names, self.reader, self.lang, self.organization) or name.replace("_", " ")

    def heading(self, name: str) -> str:
        """What a category is called where it stands alone."""
        named = self.category(name)
        return named[:1].upper() + named[1:]


def words_for(locale: str | None, accepted: str | None, organization: str | None = None) -> Words:
    """The words for a reader: in their own language, else one that their browser asks for, else the organization's.

    Args:
        locale: of the recipient; None where it is not known.
        accepted: the header `Accept-Language` (RFC 9110, section 12.5.4).
        organization: the language of the organization's readers that have none of their own.
    """
    asked = (tag for _, tag in sorted(_wanted(accepted or ""), reverse=True))
    wanted = [locale or "", *asked, organization or ""]
    tags = (one.replace("_", "-").partition("-")[0].lower() for one in wanted)
    return Words(next((tag for tag in tags if tag in _SAID), "en"), locale, organization)


def _wanted(accepted: str) -> list[tuple[tuple[float, int], str]]:
    """The languages of the header, each with its weight; of two that weigh the same, the first."""
    found = (_TAG.fullmatch(part) for part in accepted[:400].split(","))
    return [((float(one[2] or 1), -place), one[1]) for place, one in enumerate(found) if one and float(one[2] or 1)]
