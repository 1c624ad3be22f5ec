/** The second factor of an account: an app that shows codes, and the recovery codes that stand in for it. */

import { element, form } from "./dom.js";
import { codeField, withProof } from "./proof.js";
import { qrCode } from "./qr.js";
import { recoveryCodes } from "./recovery_codes.js";
import { request } from "./session.js";
import { text, time, wording } from "./texts.js";

const TOTP = "api/auth/factors/totp";

/** What there is, and what can be done; `finish({notice})` shows the account once more. */
export async function secondFactor(finish) {
    const place = element("div");
    await overview(place, finish);
    return place;
}

async function overview(place, finish) {
    const answer = await request("GET", "api/auth/factors");
    if (!answer.ok) return place.replaceChildren(element("p", { role: "alert" }, wording(answer)));
    place.replaceChildren(...(answer.data.totp ? isOn(place, answer.data, finish) : isOff(place, finish)));
}

function isOff(place, finish) {
    return [
        element("p", {}, text("two_step_off")),
        asking("set_up", () => request("POST", TOTP), ({ data }) => enrol(place, data, finish), { class: "main" }),
    ];
}

function isOn(place, { totp, required }, finish) {
    return [
        element("p", {}, text("two_step_on", { since: time(totp.added_at) })),
        asking(
            "new_recovery_codes",
            () => request("POST", "api/auth/factors/recovery-codes"),
            ({ data }) => showCodes(place, data.recovery_codes, "recovery_codes_renewed", finish),
        ),
        element("button", { type: "button", click: () => removing(place, required, finish) }, text("turn_off")),
        element("details", {}, element("summary", {}, text("phone_gone")), ...steps("phone_gone_steps")),
    ];
}

function steps(name) {
    return [element("ol", {}, ...text(name).split("\n").map((step) => element("li", {}, step)))];
}

/** A button that does something for which a fresh proof may be asked, and says what was refused. */
function asking(label, work, done, properties = {}) {
    const outcome = element("p", { role: "alert" });
    const click = async (event) => {
        const pressed = event.target;
        pressed.disabled = true;
        outcome.textContent = "";
        const answer = await withProof(content, work);
        pressed.disabled = false;
        if (answer.ok) done(answer);
        else outcome.textContent = wording(answer);
    };
    const content = element("div", {}, element("button", { type: "button", click, ...properties }, text(label)), outcome);
    return content;
}

function enrol(place, { secret, uri, qr }, finish) {
    const code = codeField();
    place.replaceChildren(
        element("p", {}, text("scan")),
        qrCode(qr, text("qr_code")),
        element("p", {}, text("scan_not"), " ", element("a", { href: uri }, text("open_app"))),
        element("p", {}, text("type_secret"), " ", element("code", { class: "secret" }, secret.replace(/.{4}(?=.)/g, "$& "))),
        form({
            fields: { code },
            button: text("turn_on"),
            send: (values) => request("PUT", TOTP, values),
            done: ({ data }) => showCodes(place, data.recovery_codes, "recovery_codes_explained", finish),
            wording: (answer) => wording(answer, "wrong_code"),
        }),
        cancelling(place, finish),
    );
    code.input.focus();
}

function showCodes(place, codes, explanation, finish) {
    place.replaceChildren(...recoveryCodes(codes, explanation, () => finish({ notice: text("two_step_is_on") })));
    place.querySelector("button").focus();
}

function removing(place, required, finish) {
    place.replaceChildren(
        element("p", {}, text(required ? "remove_required" : "remove_explained")),
        asking("turn_off", () => request("DELETE", TOTP), () => finish({ notice: text("two_step_is_off") }), { class: "main" }),
        cancelling(place, finish),
    );
    place.querySelector("button").focus();
}

function cancelling(place, finish) {
    const click = async () => {
        await overview(place, finish);
        place.querySelector("button")?.focus();
    };
    return element("button", { type: "button", click }, text("cancel"));
}
