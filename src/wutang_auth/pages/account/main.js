/** Which page is shown: that of a mail's link, the account, or what leads to it. */

import { element } from "./dom.js";
import { linkView, takeLink } from "./links.js";
import { isLoggedIn, restore, watch } from "./session.js";
import { accountView } from "./signed_in.js";
import { forgotView, loginView, registerView } from "./signed_out.js";
import { choose, language, text } from "./texts.js";

const main = document.getElementById("main");
const choice = document.getElementById("language");
let link = null;
let passed = {}; // from one page to the next: {email, notice}
let turn = 0;
let isRestoring = false;

async function show() {
    const mine = ++turn;
    link = takeLink() ?? link;
    document.documentElement.lang = language() === "en" ? "en" : "zh-CN";
    document.title = document.getElementById("title").textContent = text("account");
    choice.value = language();
    const content = await view();
    if (mine !== turn) return; // something else is shown meanwhile
    main.replaceChildren(...content);
    main.focus();
}

async function view() {
    if (!window.isSecureContext) return [element("p", { role: "alert" }, text("insecure"))];
    if (link !== null) return linkView(link, finish);
    if (location.hash === "#forgot") return forgotView();
    if (location.hash === "#register" && !isLoggedIn()) return registerView();
    const { email, notice } = passed;
    isRestoring = true;
    const isKnown = await restore().finally(() => (isRestoring = false));
    return isKnown ? accountView(notice ?? "", finish) : loginView({ email, notice });
}

function finish(outcome) {
    link = null;
    passed = outcome;
    show();
}

choice.addEventListener("change", () => {
    choose(choice.value);
    show();
});
window.addEventListener("hashchange", () => {
    const isLink = /=/.test(location.hash);
    if (!isLink) link = null;
    show();
});
watch((loggedIn) => {
    if (link !== null || isRestoring) return;
    passed = {};
    if (loggedIn && location.hash) history.replaceState(null, "", location.pathname + location.search);
    show();
});
show();
