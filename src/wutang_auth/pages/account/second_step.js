/** The second step of a login: the code of an app, or a recovery code where the phone is gone. */

import { element, field, form } from "./dom.js";
import { codeField } from "./proof.js";
import { replaced } from "./recovery_codes.js";
import { logInSecond } from "./session.js";
import { text, wording } from "./texts.js";

const MOST_TRIES = 5; // of one challenge, as the service counts them

/** `challenge` stands for the password, for `expires_in` seconds; `again()` shows the first step. */
export function secondStep({ challenge, expires_in }, again) {
    const until = Date.now() + expires_in * 1000;
    let tries = 0;
    const place = element("div");
    const ask = (name, input, other) => {
        const step = form({
            fields: { [name]: input },
            button: text("log_in"),
            send: (values) => logInSecond(challenge, values),
            done: ({ data }) => replaced(data.new_recovery_code ?? null), // whoever watches the session shows the account
            wording: (answer) => {
                const isOver = answer.status === 401 && (++tries >= MOST_TRIES || Date.now() > until);
                return isOver ? text("start_again") : wording(answer, `wrong_${name}`);
            },
        });
        const explained = text(`${name}_explained`);
        place.replaceChildren(element("p", {}, explained), step, element("p", {}, link(`use_${other}`, ASK[other])));
        queueMicrotask(() => input.input.focus()); // once it is in the page
    };
    const ASK = {
        code: () => ask("code", codeField(), "recovery_code"),
        recovery_code: () => {
            const properties = { autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: 64 };
            ask("recovery_code", field(text("recovery_code"), properties), "code");
            place.append(element("p", { class: "quiet" }, text("no_recovery_code")));
        },
    };
    ASK.code();
    return [element("h1", {}, text("two_step")), place, element("p", {}, link("back_to_login", again))];
}

function link(label, click) {
    return element("button", { type: "button", class: "link", click }, text(label));
}
