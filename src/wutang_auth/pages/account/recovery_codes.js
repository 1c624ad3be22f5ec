/** Recovery codes, which are shown once: to be copied, printed or saved as a file. */

import { element } from "./dom.js";
import { text } from "./texts.js";

let used = null; // what replaces the code by which this browser has logged in, until its owner has kept it

export function replaced(code) {
    used = code;
}

/** What to show of it; nothing if there is none. `kept()` is called when it was kept. */
export function replacement(kept) {
    if (used === null) return [];
    const done = () => {
        used = null;
        kept();
    };
    return [element("section", {}, element("h2", {}, text("new_recovery_code")), ...recoveryCodes([used], "recovery_code_replaced", done))];
}

export function recoveryCodes(codes, explanation, kept) {
    const outcome = element("p", { role: "status" });
    const sheet = element(
        "div",
        { class: "sheet" },
        element("p", {}, `${text("recovery_codes")}: ${location.host}`),
        element("ol", { class: "codes" }, ...codes.map((code) => element("li", {}, element("code", {}, code)))),
    );
    const copy = () =>
        navigator.clipboard.writeText(codes.join("\n")).then(
            () => (outcome.textContent = text("copied")),
            () => getSelection().selectAllChildren(sheet.lastChild), // the browser forbids it: all is marked, to be copied by hand
        );
    return [
        element("p", {}, text(explanation)),
        sheet,
        button("copy", copy),
        button("print", () => print()),
        button("download", () => save(codes)),
        outcome,
        element("button", { type: "button", class: "main", click: kept }, text("kept")),
    ];
}

function button(label, click) {
    return element("button", { type: "button", click }, text(label));
}

function save(codes) {
    const lines = [`${text("recovery_codes")}: ${location.host}`, "", ...codes, ""];
    const href = URL.createObjectURL(new Blob([lines.join("\r\n")], { type: "text/plain;charset=utf-8" }));
    element("a", { href, download: `${location.hostname}-recovery-codes.txt` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
