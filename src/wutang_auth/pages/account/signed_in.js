/** What owners of an account see: who they are, how they log in, and where they are logged in. */

import { element, field, form } from "./dom.js";
import { secondFactor } from "./factors.js";
import { withProof } from "./proof.js";
import { replacement } from "./recovery_codes.js";
import { forget, logOut, request } from "./session.js";
import { emailField } from "./signed_out.js";
import { text, time, wording } from "./texts.js";

const { mail, mfa } = document.documentElement.dataset;

/** `finish({notice})` shows all of it once more. */
export async function accountView(notice, finish) {
    const me = await request("GET", "api/auth/me");
    if (!me.ok) return withoutAccount(me, finish);
    const list = element("ul");
    await showSessions(list);
    return [
        element("h1", {}, me.data.name || me.data.email),
        element("p", { role: "status" }, notice),
        ...replacement(() => finish({})),
        ...identity(me.data),
        section("name", renaming(me.data)),
        mail === "true" ? section("change_email", changingEmail()) : "",
        section("change_password", changingPassword(me.data)),
        mfa === "true" ? section("two_step", await secondFactor(finish)) : "",
        section("sessions", list, ...leaving()),
    ];
}

/** What is left of it where it is refused: who must have a second factor can add one. */
async function withoutAccount(refusal, finish) {
    const mustAdd = Boolean(refusal.data?.enrol);
    return [
        element("h1", {}, text("account")),
        element("p", { role: "alert" }, mustAdd ? text("two_step_needed") : wording(refusal)),
        mustAdd ? section("two_step", await secondFactor(finish)) : "",
        mustAdd ? section("log_out", ...leaving()) : "",
    ];
}

function section(title, ...content) {
    return element("section", {}, element("h2", {}, text(title)), ...content);
}

function identity({ email, email_verified_at }) {
    const outcome = element("p", { role: "status" });
    const state = text(email_verified_at ? "email_verified" : "email_unverified");
    const ask = async (event) => {
        event.target.disabled = true;
        const answer = await request("POST", "api/auth/email/verification");
        outcome.textContent = answer.ok ? text("mail_sent") : wording(answer);
        event.target.disabled = answer.ok;
    };
    const button = element("button", { type: "button", click: ask }, text("send_confirmation"));
    const shown = [element("p", {}, email, " ", element("span", { class: "quiet" }, `(${state})`))];
    return email_verified_at || mail !== "true" ? shown : [...shown, button, outcome];
}

function renaming({ name }) {
    const outcome = element("p", { role: "status" });
    const given = form({
        fields: { name: field(text("name"), { value: name, autocomplete: "name", maxlength: 255, required: false }) },
        button: text("save"),
        send: (values) => request("PATCH", "api/auth/me", values),
        done: () => (outcome.textContent = text("saved")),
        wording,
    });
    return element("div", {}, given, outcome);
}

function changingEmail() {
    const outcome = element("p", { role: "status" });
    const place = element("div");
    const ask = form({
        fields: { email: emailField({ autocomplete: "email" }) },
        button: text("send"),
        send: (values) => withProof(ask, () => request("PUT", "api/auth/email", values)),
        done: () => (outcome.textContent = text("mail_sent")),
        wording,
    });
    place.append(element("p", { class: "quiet" }, text("change_email_explained")), ask, outcome);
    return place;
}

function changingPassword({ email }) {
    const outcome = element("p", { role: "status" });
    const owner = element("input", { type: "email", autocomplete: "username", value: email, hidden: true });
    const fields = {
        current_password: field(text("current_password"), { type: "password", autocomplete: "current-password" }),
        new_password: field(text("new_password"), { type: "password", autocomplete: "new-password" }),
    };
    const change = form({
        fields,
        button: text("change_password"),
        send: (values) => request("PUT", "api/auth/password", values),
        done: () => {
            change.reset();
            outcome.textContent = text("password_changed");
        },
        wording: (answer) => wording(answer, "wrong_password"),
    });
    change.prepend(owner);
    return element("div", {}, change, outcome);
}

async function showSessions(list) {
    const answer = await request("GET", "api/auth/sessions");
    if (!answer.ok) return list.replaceChildren(element("li", { role: "alert" }, wording(answer)));
    list.replaceChildren(...answer.data.map((session) => row(session, list)));
}

function row({ id, created_at, ip, user_agent, current }, list) {
    const end = async (event) => {
        event.target.disabled = true;
        const answer = await request("DELETE", `api/auth/sessions/${id}`);
        if (current && answer.ok) forget();
        else await showSessions(list);
    };
    return element(
        "li",
        {},
        device(user_agent),
        element("div", { class: "quiet" }, [current ? text("this_device") : null, ip, `${text("began")} ${time(created_at)}`].filter(Boolean).join(" · ")),
        current ? null : element("button", { type: "button", click: end }, text("end_session")),
    );
}

/** The program and the system, where the text that browsers send of themselves tells them. */
function device(userAgent) {
    if (userAgent === null) return text("unknown_device");
    const program = ["Edg/", "Firefox/", "Chrome/", "Safari/"].find((name) => userAgent.includes(name));
    const system = userAgent.match(/Windows|Android|iPhone|iPad|Mac OS|Linux/);
    return program && system ? `${program.replace("Edg/", "Edge").replace("/", "")}, ${system[0]}` : userAgent;
}

function leaving() {
    const outcome = element("p", { role: "alert" });
    const leave = (everywhere) => async (event) => {
        event.target.disabled = true;
        const answer = await logOut(everywhere);
        outcome.textContent = answer.ok ? "" : wording(answer, "back_to_login");
        event.target.disabled = false;
    };
    return [
        element("button", { type: "button", class: "main", click: leave(false) }, text("log_out")),
        element("button", { type: "button", click: leave(true) }, text("log_out_everywhere")),
        outcome,
    ];
}
