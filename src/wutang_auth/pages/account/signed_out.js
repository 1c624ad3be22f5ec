/** What somebody sees who is not logged in: log in, register, ask for a new password. */

import { call } from "./api.js";
import { element, field, form } from "./dom.js";
import { secondStep } from "./second_step.js";
import { logIn } from "./session.js";
import { text, wording } from "./texts.js";

const { mail, registration } = document.documentElement.dataset;

export function emailField(properties = {}) {
    return field(text("email"), { type: "email", autocomplete: "username", maxlength: 320, ...properties });
}

function linkTo(place, label) {
    return element("a", { href: `#${place}` }, text(label));
}

export function loginView({ email = "", notice = "" } = {}) {
    const place = element("div");
    place.append(...passwordStep(place, email, notice));
    return [place];
}

function passwordStep(place, email, notice) {
    const again = () => place.replaceChildren(...passwordStep(place, email, ""));
    return [
        element("h1", {}, text("log_in")),
        element("p", { role: "status" }, notice),
        form({
            fields: {
                email: emailField({ value: email }),
                password: field(text("password"), { type: "password", autocomplete: "current-password" }),
            },
            button: text("log_in"),
            send: async (values) => {
                email = values.email;
                const answer = await logIn(email, values.password);
                return { ...answer, ok: answer.ok || Boolean(answer.data?.mfa) };
            },
            done: ({ data }) => {
                if (data.mfa) place.replaceChildren(...secondStep(data.mfa, again));
            }, // else whoever watches the session shows the account
            wording: (answer) => wording(answer, "wrong_credentials"),
        }),
        element(
            "p",
            {},
            mail === "true" ? linkTo("forgot", "forgot") : null,
            registration === "true" ? linkTo("register", "register") : null,
        ),
    ];
}

export function forgotView() {
    return asking("choose_password", "reset_explained", "api/auth/password/reset");
}

export function registerView() {
    return asking("register", "register_explained", "api/auth/register");
}

/** A form that asks for a mail. Whether there is such an account, the answer does not tell. */
function asking(title, explanation, path) {
    const outcome = element("p", { role: "status" });
    return [
        element("h1", {}, text(title)),
        element("p", {}, text(explanation)),
        form({
            fields: { email: emailField() },
            button: text("send"),
            send: ({ email }) => call("POST", path, { body: { email } }),
            done: () => (outcome.textContent = text("mail_sent")),
            wording,
        }),
        outcome,
        element("p", {}, linkTo("login", "back_to_login")),
    ];
}
