"""The wording of what is wrong with a field, in both languages; that of the response codes is in response_codes.py.

A message says what is wanted, never the value that was sent.
"""

from typing import Final

from wutang_auth.response_codes import Language

_PROBLEMS: Final[dict[str, dict[Language, str]]] = {
    # pydantic's error types
    "missing": {"zh": "必须填写", "en": "is required"},
    "string_type": {"zh": "必须是字符串", "en": "must be a string"},
    "string_too_short": {"zh": "不能为空或过短", "en": "is empty or too short"},
    "string_too_long": {"zh": "过长", "en": "is too long"},
    "too_short": {"zh": "不能为空或过短", "en": "is empty or too short"},
    "too_long": {"zh": "过长", "en": "is too long"},
    "string_unicode": {"zh": "含有无效字符", "en": "has characters that no text may have"},
    "bool_parsing": {"zh": "必须是 true 或 false", "en": "must be true or false"},
    "bool_type": {"zh": "必须是 true 或 false", "en": "must be true or false"},
    "int_parsing": {"zh": "必须是整数", "en": "must be an integer"},
    "int_type": {"zh": "必须是整数", "en": "must be an integer"},
    "list_type": {"zh": "必须是数组", "en": "must be an array"},
    "greater_than_equal": {"zh": "超出范围", "en": "is out of range"},
    "less_than_equal": {"zh": "超出范围", "en": "is out of range"},
    "model_type": {"zh": "必须是 JSON 对象", "en": "must be a JSON object"},
    "model_attributes_type": {"zh": "必须是 JSON 对象", "en": "must be a JSON object"},
    # fields of users
    "unfit_text": {"zh": "含有无效字符", "en": "has characters that no text may have"},
    "email": {"zh": "不是有效的邮箱地址", "en": "must be an e-mail address"},
    "registration_domain": {
        "zh": "此域名的邮箱不能在此注册",
        "en": "is of a domain whose addresses cannot register here",
    },
    "with_invite": {
        "zh": "邀请时由用户自己设置,请省略",
        "en": "is chosen by who is invited; leave it out",
    },
    "null": {"zh": "不能为 null,不修改请省略", "en": "must not be null; leave it out to keep it as it is"},
    "name": {
        "zh": "必须是不含控制字符的单行文本,最多 255 个字符",
        "en": "must be one line, of at most 255 characters",
    },
    "timestamp": {"zh": "必须是带时区的 RFC 3339 时间", "en": "must be a time in RFC 3339 with its offset"},
    "scopes": {
        "zh": "每项须以小写字母开头,只含 a-z 0-9 _ . : -,最多 64 个字符;最多 32 项,共 1024 个字符",
        "en": "must each begin with a lower-case letter, of at most 64 of a-z 0-9 _ . : -; 32 of them, 1024 in all",
    },
    # second factors
    "code": {"zh": "必须是 6 位数字", "en": "must be six digits"},
    "recovery_code": {
        "zh": "必须是恢复码,共 25 个字母和数字",
        "en": "must be a recovery code, of 25 letters and digits",
    },
    "one_factor": {
        "zh": "code 与 recovery_code 必须且只能填写一个",
        "en": "must be given or `code`, one of the two",
    },
    # what gateways ask for
    "amr": {"zh": "每项须是 pwd、otp 或 mfa", "en": "must each be pwd, otp or mfa"},
    "max_age": {"zh": "必须是 1 至 999999999 的整数(秒)", "en": "must be a number of seconds from 1 to 999999999"},
    # new passwords: which rule, and how to meet it
    "password_unfit_text": {
        "zh": "含有无效字符(NUL 或不完整的字符),请去掉",
        "en": "has characters that no text may have; leave them out",
    },
    "password_too_short": {"zh": "过短,至少需要 {limit} 个字符", "en": "must have at least {limit} characters"},
    "password_too_long": {"zh": "过长,最多 {limit} 个字符", "en": "must have at most {limit} characters"},
    "password_common": {
        "zh": "过于常见,会最先被猜到;请用几个不相关的词,或由密码管理器生成",
        "en": "is among the most used ones; take several unrelated words, or let a password manager make one",
    },
    "password_is_email": {
        "zh": "不能是邮箱地址或其 @ 之前的部分;请用与账号无关的内容",
        "en": "must not be the e-mail address or its part before the @; take something that the account does not show",
    },
    "password_is_name": {
        "zh": "不能是用户名称;请用与账号无关的内容",
        "en": "must not be the user's name; take something that the account does not show",
    },
    "password_is_current": {
        "zh": "不能与当前密码相同;请换一个新的",
        "en": "must differ from the current one; take another",
    },
    # bodies
    "json": {"zh": "必须是有效的 JSON", "en": "must be valid JSON with unique names"},
    "form": {"zh": "必须是有效的表单", "en": "must be a valid form with unique names"},
}
_OTHER_PROBLEM: Final[dict[Language, str]] = {"zh": "无效", "en": "is not valid"}


def field_problem(problem: str, language: Language, *, limit: int | None = None) -> str:
    """What is wrong with a field, by the problem's name; an unknown one is told as "is not valid".

    `limit` is the number that the text names, where it names one.
    """
    return _PROBLEMS.get(problem, _OTHER_PROBLEM)[language].format(limit=limit)
