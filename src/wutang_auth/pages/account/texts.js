/** Every text of these pages, in Chinese and English. */

const CHOSEN = `wutang-auth language ${location.pathname}`;

const TEXTS = {
    account: ["账户", "Account"],
    agree_to_change: ["同意更换邮箱", "Agree to the new address"],
    agreed: ["已同意。确认链接已发往新邮箱。", "Agreed. A link to confirm goes to the new address."],
    ask_again: ["重新获取链接", "Ask for a new link"],
    back_to_login: ["返回登录", "Back to login"],
    began: ["登录于", "since"],
    cancel: ["取消", "Cancel"],
    change_email: ["更换邮箱", "Change e-mail address"],
    change_email_explained: [
        "我们会向新邮箱发送确认链接，并通知原邮箱。确认之前什么都不会改变。",
        "A link to confirm goes to the new address, and a notice to the present one. Nothing changes before you confirm.",
    ],
    change_password: ["修改密码", "Change password"],
    choose_password: ["设置新密码", "Choose a new password"],
    code: ["验证码", "Code"],
    code_explained: [
        "请输入验证器应用中显示的 6 位验证码。",
        "Enter the six digits that your authenticator app shows for this account.",
    ],
    confirm_change: ["确认更换邮箱", "Confirm the new address"],
    confirm_email: ["确认邮箱", "Confirm this address"],
    copied: ["已复制。", "Copied."],
    copy: ["复制", "Copy"],
    current_password: ["当前密码", "Current password"],
    dead_link: ["此链接无效", "This link does not work"],
    dead_link_explained: [
        "链接可能不完整、已过期或已使用过。请从邮件中完整打开链接；若仍无效，请重新获取。",
        "It may be incomplete, too old, or used already. Open it from the mail once more, whole; if that does not help, ask for a new one.",
    ],
    download: ["下载", "Download"],
    email: ["邮箱", "E-mail address"],
    email_changed: ["邮箱已更换，请用新邮箱登录。", "The address is changed. Log in with the new one."],
    email_confirmed: ["邮箱已确认。", "The address is confirmed."],
    email_unverified: ["尚未确认", "not confirmed yet"],
    email_verified: ["已确认", "confirmed"],
    end_session: ["结束", "End"],
    forgot: ["忘记密码？", "Forgot your password?"],
    go_on: ["继续", "Continue"],
    insecure: [
        "此页面只能通过 https 使用。",
        "This page works over https only. Open it by its https address.",
    ],
    kept: ["我已妥善保存", "I have kept this safe"],
    link_for: ["此链接用于", "This link is for"],
    log_in: ["登录", "Log in"],
    log_out: ["退出登录", "Log out"],
    log_out_everywhere: ["退出所有设备", "Log out everywhere"],
    mail_sent: ["邮件已发出，请查收。", "The mail is on its way. Look into your mailbox."],
    name: ["名称", "Name"],
    new_email: ["新邮箱", "New e-mail address"],
    new_password: ["新密码", "New password"],
    new_recovery_code: ["新的恢复代码", "A new recovery code"],
    new_recovery_codes: ["更换恢复代码", "New recovery codes"],
    no_recovery_code: [
        "恢复代码也没有？请联系管理员，由其确认身份后为你关闭两步验证。",
        "No recovery code either? Ask the administrators. Once they are sure that it is you, they turn the second step off.",
    ],
    not_you: ["不是你？请关闭此页面，什么都不会发生。", "Not you? Close this page, and nothing happens."],
    open_app: ["在本机的应用中打开", "Open the app"],
    password: ["密码", "Password"],
    password_changed: ["密码已修改，其他设备已退出登录。", "The password is changed; all other devices are logged out."],
    password_set: ["密码已设置，请登录。", "The password is set. Log in with it."],
    phone_gone: ["手机丢失或更换时怎么办？", "What if the phone is gone, or replaced?"],
    phone_gone_steps: [
        "用密码和一个恢复代码登录。\n随即在此关闭两步验证，再用新手机启用。\n手机可能落入他人之手？请再修改密码。\n没有恢复代码？请联系管理员。",
        "Log in with your password and a recovery code.\nRight after that, turn it off here, and set it up with the new phone.\nDoes somebody else have the phone? Then change the password too.\nNo recovery code? Ask the administrators.",
    ],
    print: ["打印", "Print"],
    prove: ["请再次输入密码以继续。", "Enter your password once more to go on."],
    prove_with_code: ["请再次输入密码和验证码以继续。", "Enter your password and a code once more to go on."],
    prove_without_phone: [
        "手机不在身边？请退出登录，再用恢复代码登录，随后几分钟内无需再次验证。",
        "Is the phone gone? Log out, and log in with a recovery code. For some minutes nothing more is asked then.",
    ],
    qr_code: ["供验证器应用扫描的二维码", "QR code for the authenticator app"],
    recovery_code: ["恢复代码", "Recovery code"],
    recovery_code_explained: [
        "请输入你保存的任意一个恢复代码。每个只能使用一次。",
        "Enter one of the recovery codes that you have kept. Each of them works once.",
    ],
    recovery_code_replaced: [
        "刚才使用的恢复代码已失效，由下面的代码代替。它只显示这一次，请与其他代码一起保存。",
        "The recovery code that you have just used works no more. This one takes its place. It is shown only now: keep it with the others.",
    ],
    recovery_codes: ["恢复代码", "Recovery codes"],
    recovery_codes_explained: [
        "两步验证已启用，其他设备已退出登录。手机不在身边时，可用密码和其中一个恢复代码登录。它们只显示这一次，请保存在手机以外的地方。",
        "Two-step login is on, and all other devices are logged out. When the phone is gone, you log in with your password and one of these codes. They are shown only now: keep them, and not on that phone.",
    ],
    recovery_codes_renewed: [
        "以前的恢复代码已全部失效。新的只显示这一次，请保存在手机以外的地方。",
        "The earlier recovery codes work no more. These are shown only now: keep them, and not on your phone.",
    ],
    register: ["注册", "Register"],
    register_done: ["注册完成，请登录。", "You are registered. Log in."],
    register_explained: [
        "我们会向此邮箱发送链接，通过它完成注册。",
        "A link goes to this address. With it you finish.",
    ],
    remove_explained: [
        "关闭后，只凭密码即可登录，恢复代码全部失效。",
        "Then the password alone is enough to log in, and the recovery codes work no more.",
    ],
    remove_required: [
        "你的账户必须启用两步验证：关闭后须立即重新启用，例如改用新手机。恢复代码全部失效。",
        "Your account needs two-step login: right after that you set it up again, with a new phone perhaps. The recovery codes work no more.",
    ],
    reset_explained: [
        "如果此邮箱有账户，我们会发送设置新密码的链接。",
        "If there is an account with this address, a link to a new password goes there.",
    ],
    save: ["保存", "Save"],
    saved: ["已保存。", "Saved."],
    scan: [
        "用手机上的验证器应用扫描，例如 Google Authenticator 或 Microsoft Authenticator。",
        "Scan this with an authenticator app on your phone, such as Google Authenticator or Microsoft Authenticator.",
    ],
    scan_not: ["应用就在本机？", "Is the app on this device?"],
    send: ["发送", "Send"],
    send_confirmation: ["发送确认邮件", "Send me a mail to confirm it"],
    sessions: ["登录的设备", "Where you are logged in"],
    set_up: ["启用两步验证", "Set it up"],
    start_again: ["尝试次数过多或等待太久，请重新登录。", "Too many tries, or too much time. Log in once more, from the beginning."],
    this_device: ["本设备", "this device"],
    too_many: ["尝试次数过多，请在 {seconds} 秒后重试。", "Too many attempts. Try again in {seconds} seconds."],
    turn_off: ["关闭两步验证", "Turn it off"],
    turn_on: ["验证并启用", "Turn it on"],
    two_step: ["两步验证", "Two-step login"],
    two_step_is_off: ["两步验证已关闭。", "Two-step login is off."],
    two_step_is_on: ["两步验证已启用。", "Two-step login is on."],
    two_step_needed: ["你的账户必须启用两步验证，启用后才能继续。", "Your account needs two-step login. Set it up to go on."],
    two_step_off: [
        "启用后，登录时除密码外，还需要手机应用显示的验证码。",
        "With it, logging in takes a code from an app on your phone besides the password.",
    ],
    two_step_on: ["已启用，自 {since} 起。", "On since {since}."],
    type_secret: ["不能扫描？请在应用中输入此密钥：", "Or type this secret into the app:"],
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
    use_code: ["使用验证器应用的验证码", "Use a code of the app"],
    use_recovery_code: ["手机不在身边？使用恢复代码", "Is the phone gone? Use a recovery code"],
    wrong_code: [
        "验证码不正确、已使用过或已过期，请等待下一个。",
        "The code is wrong, was used already, or is too old. Wait for the next one.",
    ],
    wrong_credentials: ["邮箱或密码不正确。", "The e-mail address or the password is wrong."],
    wrong_password: ["密码不正确。", "The password is wrong."],
    wrong_password_or_code: [
        "密码或验证码不正确。每个验证码只能使用一次，请等待下一个。",
        "The password or the code is wrong. A code works once: wait for the next one.",
    ],
    wrong_recovery_code: ["恢复代码不正确或已使用过。", "The recovery code is wrong, or was used already."],
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
