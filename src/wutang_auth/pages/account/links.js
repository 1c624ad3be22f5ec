/** What the links of mails open. Nothing happens before a person presses the button. */

import { call } from "./api.js";
import { element, field, form } from "./dom.js";
import { forget } from "./session.js";
import { text, wording } from "./texts.js";

const newPassword = () => field(text("new_password"), { type: "password", autocomplete: "new-password" });
const account = (email) => ({ node: element("input", { type: "email", autocomplete: "username", value: email, hidden: true }), input: { value: email } });

// by the purpose of the token: what it is for, what is asked, where it goes, what is said, where one asks once more
const PURPOSES = {
    reset: { title: "choose_password", path: "api/auth/password/reset", done: "password_set", again: "forgot", password: true },
    invite: { title: "choose_password", path: "api/auth/password/reset", done: "password_set", again: "forgot", password: true },
    register: { title: "register", path: "api/auth/register", done: "register_done", again: "register", password: true, name: true },
    verify: { title: "confirm_email", path: "api/auth/email/verification", done: "email_confirmed", again: "login", keeps: true },
    email_change: { title: "confirm_change", path: "api/auth/email/confirmation", done: "email_changed", again: "login", keeps: true },
    email_agree: { title: "agree_to_change", path: "api/auth/email/confirmation", done: "agreed", again: "login", keeps: true },
    email_undo: { title: "undo_change", path: "api/auth/email/undo", done: "undo_done", again: "login", explained: "undo_explained" },
};

/** The purpose and token of a link, taken out of the address bar and the history; null where there is none. */
export function takeLink() {
    const [, purpose, token] = location.hash.match(/^#(\w+)=(.*)$/) ?? [];
    if (!Object.hasOwn(PURPOSES, purpose ?? "")) return null;
    history.replaceState(null, "", location.pathname + location.search);
    return { purpose, token };
}

/** `finish({email, notice})` is called when the link has done its work. */
export async function linkView({ purpose, token }, finish) {
    const found = await call("POST", "api/auth/links", { body: { token } });
    if (!found.ok) return refusedView(purpose, found);
    const { email } = found.data;
    const kind = PURPOSES[found.data.purpose];
    const fields = { email: account(email) };
    if (kind.name) fields.name = field(text("name"), { autocomplete: "name", maxlength: 255, required: false });
    if (kind.password) fields.password = newPassword();
    return [
        element("h1", {}, text(kind.title)),
        element("p", {}, `${text("link_for")} `, element("strong", {}, email)),
        kind.explained ? element("p", {}, text(kind.explained)) : "",
        form({
            fields,
            button: text(kind.title),
            send: ({ email: _, ...values }) => call("PUT", kind.path, { body: { token, ...values } }),
            done: () => {
                if (!kind.keeps) forget();
                finish({ email, notice: text(kind.done) });
            },
            wording: (answer) => wording(answer, "dead_link_explained"),
        }),
        element("p", { class: "quiet" }, text("not_you")),
    ];
}

function refusedView(purpose, answer) {
    const isDead = answer.status === 404 || answer.status === 422;
    return [
        element("h1", {}, text(isDead ? "dead_link" : "account")),
        element("p", { role: "alert" }, isDead ? text("dead_link_explained") : wording(answer)),
        element("p", {}, element("a", { href: `#${PURPOSES[purpose].again}` }, text(isDead ? "ask_again" : "back_to_login"))),
    ];
}
