/** What is asked for before something that a stranger at an open browser must not be able to do. */

import { element, field, form } from "./dom.js";
import { request } from "./session.js";
import { text, wording } from "./texts.js";

export function codeField(label = "code") {
    return field(text(label), { inputmode: "numeric", autocomplete: "one-time-code", maxlength: 32, spellcheck: "false" });
}

/**
 * The answer to `work()`. Where it is refused for want of a fresh proof of who it is, a form asks for that in the place
 * of `instead`, and the work is done again.
 */
export async function withProof(instead, work) {
    const refusal = await work();
    const asked = refusal.data?.reauthenticate;
    return asked ? proven(instead, asked.methods, refusal, work) : refusal;
}

function proven(instead, methods, refusal, work) {
    const hasApp = methods.includes("totp");
    const fields = { password: field(text("current_password"), { type: "password", autocomplete: "current-password" }) };
    if (hasApp) fields.code = codeField();
    return new Promise((resolve) => {
        const end = (answer) => {
            asking.remove();
            instead.hidden = false;
            instead.querySelector("button").focus();
            resolve(answer);
        };
        const proof = form({
            fields,
            button: text("go_on"),
            send: (values) => request("POST", "api/auth/reauthenticate", values),
            done: async () => end(await work()),
            wording: (answer) => wording(answer, hasApp ? "wrong_password_or_code" : "wrong_password"),
        });
        const cancel = element("button", { type: "button", click: () => end({ ...refusal, message: "" }) }, text("cancel"));
        proof.querySelector("button").after(cancel);
        const explained = element("p", {}, text(hasApp ? "prove_with_code" : "prove"));
        const without = hasApp ? element("p", { class: "quiet" }, text("prove_without_phone")) : null;
        const asking = element("div", {}, explained, proof, without);
        instead.hidden = true;
        instead.after(asking);
        fields.password.input.focus();
    });
}
