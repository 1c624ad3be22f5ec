/** Elements of the page, made without HTML in strings: nothing that a server or a person wrote is ever parsed. */

import { language } from "./texts.js";

export function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (typeof value === "function") made.addEventListener(name, value);
        else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
}

let fields = 0;

/** A labelled input. `describe(text)` says below it what is wrong with it. */
export function field(label, properties) {
    const id = `field-${++fields}`;
    const problem = element("span", { id: `${id}-problem`, class: "bad" });
    const input = element("input", { id, required: true, "aria-describedby": problem.id, ...properties });
    const describe = (text) => {
        problem.textContent = text && `${label}${language() === "en" ? " " : ""}${text}`; // a sentence with the label
        if (text) input.setAttribute("aria-invalid", "true");
        else input.removeAttribute("aria-invalid");
    };
    return { node: element("label", { for: id }, label, input, problem), input, describe };
}

/**
 * A form with one button. `send(values)` gives the service's answer; `done(answer)` follows a success. What the service
 * says of a field stands below the field, and all else below the button.
 */
export function form({ fields, button, send, done, wording }) {
    const outcome = element("p", { role: "alert" });
    const submit = element("button", { class: "main" }, button);
    const names = Object.keys(fields);
    return element(
        "form",
        {
            method: "dialog", // without this script nothing of it is sent anywhere
            submit: async (event) => {
                event.preventDefault();
                outcome.textContent = "";
                names.forEach((name) => fields[name].describe?.(""));
                submit.disabled = true;
                try {
                    const values = Object.fromEntries(names.map((name) => [name, fields[name].input.value]));
                    const answer = await send(values);
                    if (answer.ok) return done(answer);
                    const known = answer.errors.filter((error) => fields[error.field]?.describe);
                    known.forEach((error) => fields[error.field].describe(error.message));
                    if (known.length) fields[known[0].field].input.focus();
                    else outcome.textContent = wording(answer);
                } finally {
                    submit.disabled = false;
                }
            },
        },
        ...names.map((name) => fields[name].node),
        submit,
        outcome,
    );
}
