"""What `wutang-auth doctor` looks at: one small function for each check, which judges and changes nothing."""

from wutang_auth.service.doctor.configuration import check_settings
from wutang_auth.service.doctor.examination import Examination
from wutang_auth.service.doctor.findings import Finding, Verdict, wrong
from wutang_auth.service.doctor.instances import check_instance
from wutang_auth.service.doctor.key_ring import check_key_file

__all__ = [
    "Examination",
    "Finding",
    "Verdict",
    "check_instance",
    "check_key_file",
    "check_settings",
    "wrong",
]
