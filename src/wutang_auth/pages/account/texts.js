/** Every text of these pages, in Chinese and English. */

const CHOSEN = `wutang-auth language ${location.pathname}`;

const TEXTS = {
    account: ["账户", "Account"],
    agree_to_change: ["同意更换邮箱", "Agree to the new address"],
    agreed: ["已同意。确认链接已发往新邮箱。", "Agreed. A link to confirm goes to the new address."],
    ask_again: ["重新获取链接", "Ask for a new link"],
    back_to_login: ["返回登录", "Back to login"],
    began: ["登录于", "since"],
    change_email: ["更换邮箱", "Change e-mail address"],
    change_email_explained: [
        "我们会向新邮箱发送确认链接，并通知原邮箱。确认之前什么都不会改变。",
        "A link to confirm goes to the new address, and a notice to the present one. Nothing changes before you confirm.",
    ],
    change_password: ["修改密码", "Change password"],
    choose_password: ["设置新密码", "Choose a new password"],
    confirm_change: ["确认更换邮箱", "Confirm the new address"],
    confirm_email: ["确认邮箱", "Confirm this address"],
    current_password: ["当前密码", "Current password"],
    dead_link: ["此链接无效", "This link does not work"],
    dead_link_explained: [
        "链接可能不完整、已过期或已使用过。请从邮件中完整打开链接；若仍无效，请重新获取。",
        "It may be incomplete, too old, or used already. Open it from the mail once more, whole; if that does not help, ask for a new one.",
    ],
    email: ["邮箱", "E-mail address"],
    email_changed: ["邮箱已更换，请用新邮箱登录。", "The address is changed. Log in with the new one."],
    email_confirmed: ["邮箱已确认。", "The address is confirmed."],
    email_unverified: ["尚未确认", "not confirmed yet"],
    email_verified: ["已确认", "confirmed"],
    end_session: ["结束", "End"],
    forgot: ["忘记密码？", "Forgot your password?"],
    insecure: [
        "此页面只能通过 https 使用。",
        "This page works over https only. Open it by its https address.",
    ],
    link_for: ["此链接用于", "This link is for"],
    log_in: ["登录", "Log in"],
    log_out: ["退出登录", "Log out"],
    log_out_everywhere: ["退出所有设备", "Log out everywhere"],
    mail_sent: ["邮件已发出，请查收。", "The mail is on its way. Look into your mailbox."],
    name: ["名称", "Name"],
    new_email: ["新邮箱", "New e-mail address"],
    new_password: ["新密码", "New password"],
    not_you: ["不是你？请关闭此页面，什么都不会发生。", "Not you? Close this page, and nothing happens."],
    password: ["密码", "Password"],
    password_changed: ["密码已修改，其他设备已退出登录。", "The password is changed; all other devices are logged out."],
    password_set: ["密码已设置，请登录。", "The password is set. Log in with it."],
    prove: ["请再次输入密码以继续。", "Enter your password once more to go on."],
    register: ["注册", "Register"],
    register_done: ["注册完成，请登录。", "You are registered. Log in."],
    register_explained: [
        "我们会向此邮箱发送链接，通过它完成注册。",
        "A link goes to this address. With it you finish.",
    ],
    reset_explained: [
        "如果此邮箱有账户，我们会发送设置新密码的链接。",
        "If there is an account with this address, a link to a new password goes there.",
    ],
    save: ["保存", "Save"],
    saved: ["已保存。", "Saved."],
    send: ["发送", "Send"],
    send_confirmation: ["发送确认邮件", "Send me a mail to confirm it"],
    sessions: ["登录的设备", "Where you are logged in"],
    this_device: ["本设备", "this device"],
    too_many: ["尝试次数过多，请在 {seconds} 秒后重试。", "Too many attempts. Try again in {seconds} seconds."],
    undo_change: ["撤销更换邮箱", "Undo the change of address"],
    undo_done: [
        "原邮箱已恢复，所有设备已退出登录。我们已向该邮箱发送设置新密码的链接。",
        "Your address is back and every device is logged out. A link to a new password is in your mailbox.",
    ],
    undo_explained: [
        "恢复原邮箱，退出所有设备，并须设置新密码。如果不是你更换的邮箱，请这样做。",
        "It gives this address back to the account, logs out every device, and asks for a new password. Do it if it was not you who changed it.",
    ],
    unknown_device: ["未知设备", "unknown device"],
    unreachable: ["暂时无法连接，请稍后重试。", "The service cannot be reached. Try again in a little while."],
    wrong_credentials: ["邮箱或密码不正确。", "The e-mail address or the password is wrong."],
    wrong_password: ["密码不正确。", "The password is wrong."],
};

/** `zh` or `en`: what was chosen here, else what the browser prefers. */
export function language() {
    const chosen = localStorage.getItem(CHOSEN);
    if (chosen) return chosen;
    return navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag))?.slice(0, 2).toLowerCase() ?? "zh";
}

export function choose(chosen) {
    localStorage.setItem(CHOSEN, chosen);
}

export function text(name, values = {}) {
    const found = TEXTS[name][language() === "en" ? 1 : 0];
    return found.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

export function time(timestamp) {
    const locale = language() === "en" ? "en" : "zh-CN";
    return new Date(timestamp).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

/** What an answer that refuses means to a person; `refused` is the text for a refusal by the form's own rules. */
export function wording(answer, refused = null) {
    if (answer.status === 429) return text("too_many", { seconds: answer.retryAfter ?? 60 });
    if (answer.status === 0 || answer.status >= 500) return text("unreachable");
    if (refused !== null && [401, 404, 409].includes(answer.status)) return text(refused);
    return answer.message;
}
