// In a real browser, with a service of its own whose access tokens live five seconds: what mails lead to, what owners do
// with their account, the second factor, two tabs that share a session, and what pages of other sites cannot do.
//
//     node account.mjs WUTANG_AUTH [FOLDER for screenshots]

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import { FRESH_SECONDS, secondFactor } from "./second_factor.mjs";

const TEXTS = {
    zh: {
        locale: "zh-CN", email: "邮箱", password: "密码", newPassword: "新密码", name: "名称", logIn: "登录", logOut: "退出登录",
        forgot: "忘记密码？", register: "注册", send: "发送", sent: "邮件已发出", set: "设置新密码", done: "注册完成",
        passwordSet: "密码已设置", dead: "此链接无效", again: "重新获取链接", newEmail: "更换邮箱", change: "确认更换邮箱", undo: "撤销更换邮箱",
        confirmed: "邮箱已更换", undone: "原邮箱已恢复", used: "链接可能不完整",
    },
    en: {
        locale: "en-GB", email: "E-mail address", password: "Password", newPassword: "New password", name: "Name", logIn: "Log in",
        logOut: "Log out", forgot: "Forgot your password?", register: "Register", send: "Send", sent: "on its way",
        set: "Choose a new password", done: "You are registered", passwordSet: "The password is set", dead: "This link does not work",
        again: "Ask for a new link", newEmail: "Change e-mail address", change: "Confirm the new address",
        undo: "Undo the change of address", confirmed: "The address is changed", undone: "Your address is back", used: "It may be incomplete",
    },
};
const FIRST = "seven small violet umbrellas";
const SECOND = "eleven slow copper kettles";
const TABS_SECONDS = 60;

const [program, folder] = process.argv.slice(2);
const problems = [];
const data = mkdtempSync(join(tmpdir(), "account-"));
const service = spawn(program, ["dev", "--port", "0", "--data-dir", data], {
    env: {
        ...process.env, WUTANG_ACCESS_TTL: "5", WUTANG_REGISTRATION: "open", WUTANG_LOG_LEVEL: "info", WUTANG_MFA: "optional",
        WUTANG_FRESH_SECONDS: String(FRESH_SECONDS),
    },
    stdio: ["ignore", "pipe", "pipe"],
});
let log = "";
service.stdout.on("data", (text) => (log += text));
service.stderr.on("data", (text) => (log += text));
const ended = once(service, "exit");
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"],
});
const deadline = setTimeout(() => {
    console.error("account: not done after seven minutes", log.slice(-2000));
    process.exit(1);
}, 420_000);

try {
    const base = await started();
    for (const language of ["zh", "en"]) await fromRegistrationToANewPassword(base, language);
    await Promise.all(["zh", "en"].map((language) => withASecondFactor(base, language)));
    await changeAndUndo(base, "en");
    await fromAnotherSite(base);
    await twoTabs(base);
    assert.deepEqual(problems, []);
    assert.ok(!log.includes("theft"), log);
    console.log(
        "account: registered, forgot, chose, moved and moved back, with a second factor and without, " +
            "in two tabs and two languages; no theft, no violation",
    );
} finally {
    clearTimeout(deadline);
    await browser.close();
    service.kill();
    await ended;
    rmSync(data, { recursive: true, force: true });
}

async function started() {
    for (let attempt = 0; attempt < 300; attempt++) {
        if (existsSync(join(data, "dev.json"))) {
            const { base_url } = JSON.parse(readFileSync(join(data, "dev.json")));
            if ((await fetch(`${base_url}/readyz`).catch(() => null))?.ok) return base_url;
        }
        await sleep(200);
    }
    throw new Error(`the service has not started: ${log}`);
}

async function watchedContext(language, viewport = { width: 360, height: 740 }) {
    const context = await browser.newContext({ viewport, locale: TEXTS[language].locale });
    context.setDefaultTimeout(20_000);
    await context.addInitScript(() =>
        document.addEventListener("securitypolicyviolation", (event) =>
            console.error(`violation: ${event.violatedDirective} ${event.blockedURI}`),
        ),
    );
    context.on("console", (message) => {
        const isARefusal = /^Failed to load resource: .* (401|403|404|409) \(/.test(message.text());
        if (["error", "warning"].includes(message.type()) && !isARefusal) problems.push(message.text());
    });
    context.on("weberror", (error) => problems.push(String(error.error())));
    return context;
}

async function pageAt(context, url) {
    const page = await context.newPage();
    await page.goto(url);
    return page;
}

/** The link of the newest mail to this address that has one of this kind. */
async function mailed(base, address, kind) {
    const pattern = new RegExp(`href="([^"]+#${kind}=[^"]+)"`);
    for (let attempt = 0; attempt < 100; attempt++) {
        const articles = (await (await fetch(`${base}/dev/mails`)).text()).split("<article>").slice(1);
        const link = articles.filter((article) => article.includes(address)).map((article) => pattern.exec(article)?.[1]).find(Boolean);
        if (link) return link;
        await sleep(100);
    }
    throw new Error(`no mail with a link to ${kind} came to ${address}`);
}

async function logIn(page, language, email, password) {
    const words = TEXTS[language];
    await page.getByLabel(words.email).fill(email);
    await page.getByLabel(words.password, { exact: true }).fill(password);
    await page.getByRole("button", { name: words.logIn }).click();
    await page.getByRole("button", { name: words.logOut, exact: true }).waitFor();
}

async function fromRegistrationToANewPassword(base, language) {
    const words = TEXTS[language];
    const email = `ada.${language}@shop.example`;
    const context = await watchedContext(language);
    const page = await pageAt(context, `${base}/account`);
    await page.getByRole("heading", { name: words.logIn }).waitFor();
    await picture(page, `${language}-1-login`);
    await page.getByRole("link", { name: words.register }).click();
    await page.getByRole("heading", { name: words.register }).waitFor();
    await page.getByLabel(words.email).fill(email);
    await page.keyboard.press("Enter"); // by keyboard alone
    await page.getByText(words.sent).waitFor();
    await picture(page, `${language}-2-register`);

    const registration = await mailed(base, email, "register");
    await page.goto(registration.slice(0, -1)); // one letter is missing
    await page.getByRole("heading", { name: words.dead }).waitFor();
    await picture(page, `${language}-3-dead-link`);
    assert.equal(await page.getByRole("link", { name: words.again }).getAttribute("href"), "#register");
    await page.goto("about:blank");
    await page.goto(registration);
    await page.getByLabel(words.name).fill("Ada 王");
    assert.equal(page.url(), `${base}/account`, "the token is out of the address bar");
    await page.getByLabel(words.newPassword).fill("password");
    await page.getByRole("button", { name: words.register }).click();
    await page.locator("[aria-invalid=true]").waitFor(); // among the common ones
    await picture(page, `${language}-4-registration`);
    await page.getByLabel(words.newPassword).fill(FIRST);
    await page.getByRole("button", { name: words.register }).click();
    await page.getByText(words.done).waitFor();
    await logIn(page, language, email, FIRST);
    await page.getByRole("heading", { name: "Ada 王" }).waitFor();
    await picture(page, `${language}-5-account`);

    // elsewhere, somebody who forgot: every session ends, and this tab sees it
    const elsewhere = await watchedContext(language);
    const forgetful = await pageAt(elsewhere, `${base}/account`);
    await forgetful.getByRole("link", { name: words.forgot }).click();
    await forgetful.getByRole("heading", { name: words.set }).waitFor();
    await forgetful.getByLabel(words.email).fill(email);
    await forgetful.getByRole("button", { name: words.send }).click();
    await forgetful.getByText(words.sent).waitFor();
    const reset = await mailed(base, email, "reset");
    const other = await pageAt(elsewhere, reset);
    await other.getByText(email).waitFor();
    await forgetful.goto("about:blank");
    await forgetful.goto(reset); // the same link in two windows: opening it used nothing up
    for (const [tab, isFirst] of [[forgetful, true], [other, false]]) {
        await tab.getByLabel(words.newPassword).fill(SECOND);
        await tab.getByRole("button", { name: words.set }).click();
        await tab.getByText(isFirst ? words.passwordSet : words.used).waitFor();
    }
    await picture(forgetful, `${language}-6-password-set`);
    await page.reload();
    await page.getByRole("heading", { name: words.logIn }).waitFor();
    await logIn(forgetful, language, email, SECOND);
    await forgetful.getByRole("button", { name: words.logOut, exact: true }).click();
    await forgetful.getByRole("heading", { name: words.logIn }).waitFor();
    await elsewhere.close();
    await context.close();
}

async function changeAndUndo(base, language) {
    const words = TEXTS[language];
    const [old, next] = [`ada.${language}@shop.example`, `ada.lovelace@shop.example`];
    const context = await watchedContext(language);
    const page = await pageAt(context, `${base}/account`);
    await logIn(page, language, old, SECOND);
    const section = page.locator("section", { has: page.getByRole("heading", { name: words.newEmail }) });
    await section.getByLabel(words.email).fill(next);
    await section.getByRole("button", { name: words.send }).click();
    await section.getByText(words.sent).waitFor();
    await picture(page, `${language}-7-change-email`);
    const undo = await mailed(base, old, "email_undo");
    await page.goto("about:blank");
    await page.goto(await mailed(base, next, "email_change"));
    await page.getByRole("button", { name: words.change }).click();
    await page.getByText(words.confirmed).waitFor();
    await page.getByText(next).waitFor();
    await page.goto("about:blank");
    await page.goto(undo);
    await page.getByRole("button", { name: words.undo }).waitFor();
    await picture(page, `${language}-8-undo`);
    await page.getByRole("button", { name: words.undo }).click();
    await page.getByText(words.undone).waitFor();
    await page.goto(await mailed(base, old, "reset"));
    await page.getByText(old).waitFor();
    await context.close();
}

async function withASecondFactor(base, language) {
    const visit = { context: watchedContext, picture };
    await secondFactor({ base, language, texts: TEXTS[language], email: `ada.${language}@shop.example`, password: SECOND, visit });
}

/** A page of another site: its forms, fetches and images carry the cookie nowhere. */
async function fromAnotherSite(base) {
    const context = await watchedContext("en");
    const own = await pageAt(context, `${base}/account`);
    await logIn(own, "en", "ada.zh@shop.example", SECOND);
    const cookie = async () => (await context.cookies(base)).find(({ name }) => name === "__Host-wutang-refresh").value;
    const before = await cookie();
    const answers = [];
    context.on("response", (response) => {
        if (/\/(refresh|logout)/.test(response.url())) answers.push(response.status());
    });
    const refresh = `${base}/api/auth/refresh`;
    const site = http.createServer((_, response) => {
        response.setHeader("Content-Type", "text/html");
        response.end(`<!doctype html><title>evil</title><img src="${refresh}"><form method="post" action="${refresh}"></form>`);
    });
    await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
    try {
        const evil = await context.newPage(); // not watched: its refusals are the point
        await evil.goto(`http://localhost:${site.address().port}/`); // another site than 127.0.0.1
        const outcomes = await evil.evaluate(async (url) => {
            const ask = (target, init) => fetch(target, { credentials: "include", ...init }).then(() => "answered", () => "refused");
            return [
                await ask(url, { method: "PUT" }),
                await ask(url.replace("refresh", "logout"), { method: "DELETE" }),
                await ask(url, { method: "POST", mode: "no-cors" }),
                await ask(url, { method: "PUT", mode: "no-cors" }).catch(() => "refused"),
            ];
        }, refresh);
        assert.deepEqual(outcomes, ["refused", "refused", "answered", "refused"]);
        await Promise.all([evil.waitForURL(refresh), evil.evaluate(() => document.forms[0].submit())]);
        assert.ok(answers.every((status) => status >= 400), `${answers}`);
        assert.equal(await cookie(), before);
    } finally {
        site.closeAllConnections();
        site.close();
    }
    problems.splice(0, problems.length, ...problems.filter((problem) => !/CORS policy|Failed to load resource/.test(problem)));
    await own.reload();
    await own.getByRole("button", { name: "Log out", exact: true }).click();
    await own.getByRole("heading", { name: "Log in" }).waitFor();
    await context.close();
}

/** Two tabs that work at the same time, while their tokens live five seconds. */
async function twoTabs(base) {
    const context = await watchedContext("en");
    const refreshes = [];
    context.on("response", (response) => {
        if (response.url().endsWith("/refresh")) refreshes.push(response.status());
    });
    const tabs = [await pageAt(context, `${base}/account`)];
    await logIn(tabs[0], "en", "ada.zh@shop.example", SECOND);
    tabs.push(await pageAt(context, `${base}/account`));
    await tabs[1].getByRole("button", { name: "Log out", exact: true }).waitFor();
    const end = Date.now() + TABS_SECONDS * 1000;
    const work = async (tab, number) => {
        for (let turn = 0; Date.now() < end; turn++) {
            await tab.getByLabel("Name").fill(`Ada ${number}.${turn}`);
            await tab.getByRole("button", { name: "Save" }).click();
            await tab.getByText("Saved.").waitFor();
            assert.equal(await tab.getByRole("heading", { name: "Log in" }).count(), 0);
            await tab.reload(); // its memory is gone, the session is not
            await tab.getByRole("button", { name: "Log out", exact: true }).waitFor();
        }
    };
    await Promise.all(tabs.map(work));
    assert.ok(refreshes.length > 5 && refreshes.every((status) => status === 200), `${refreshes}`);
    await tabs[0].getByRole("button", { name: "Log out", exact: true }).click();
    await tabs[1].getByRole("heading", { name: "Log in" }).waitFor();
    await context.close();
}

async function picture(page, name) {
    if (folder !== undefined) await page.screenshot({ path: join(folder, `account-${name}.png`), fullPage: true });
}
