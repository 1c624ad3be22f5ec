"""The only wiring of services: what works together with what, by the settings."""

from wutang_auth.factory.factors import factor_administration, factor_keys, load_ring
from wutang_auth.factory.mail import check_texts, mail_administration, mail_messages, mail_transport
from wutang_auth.factory.services import THROTTLE_CONNECTIONS, Services, open_database, open_services, open_users

__all__ = [
    "THROTTLE_CONNECTIONS",
    "Services",
    "check_texts",
    "factor_administration",
    "factor_keys",
    "load_ring",
    "mail_administration",
    "mail_messages",
    "mail_transport",
    "open_database",
    "open_services",
    "open_users",
]
