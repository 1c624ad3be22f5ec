// In a real browser: log in on the page, also by an address beyond ASCII, ask who one is, log out, be refused. Takes the screenshots of the README, too.
//
//     node browser.mjs BASE_URL EMAIL PASSWORD NAME [FOLDER for screenshots]

import assert from "node:assert/strict";
import http from "node:http";
import { chromium } from "playwright-core";

const [baseUrl, email, password, name, folder] = process.argv.slice(2);
const problems = [];
let refusalsToCome = 0;

const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // as root there is no sandbox; the rest keeps the browser from talking to anyone by itself
    args: [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ],
});
const deadline = setTimeout(() => {
    console.error("browser: not done after two minutes");
    process.exit(1);
}, 120_000);

try {
    await tryItOut(baseUrl, folder);
    await readTheReference();
    await closeTheNetwork();
    await typeAnAddressBeyondAscii();
    await fromTheShopsOwnPage();
    await behindAGateway((prefixed) => tryItOut(prefixed));
    assert.deepEqual(problems, []);
    console.log("browser: logged in, was somebody, logged out, was nobody; no error, no violation, no other host");
} finally {
    clearTimeout(deadline);
    await browser.close();
}

/** A page on which every error, violation and foreign request is a problem. */
async function watchedPage(origin) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "zh-CN" });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    await page.addInitScript(() =>
        document.addEventListener("securitypolicyviolation", (event) =>
            console.error(`violation: ${event.violatedDirective} ${event.blockedURI}`),
        ),
    );
    page.on("console", (message) => {
        // the network's own line about the one refusal that is wanted
        const isWanted = /^Failed to load resource: .* 401 \(/.test(message.text()) && refusalsToCome-- > 0;
        if (["error", "warning"].includes(message.type()) && !isWanted) problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (request) => {
        if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith("data:")) problems.push(request.url());
    });
    page.on("requestfailed", (request) => problems.push(`${request.url()}: ${request.failure()?.errorText}`));
    page.on("response", (response) => {
        if (response.status() >= 400 && response.status() !== 401) problems.push(`${response.url()}: ${response.status()}`);
    });
    return page;
}

async function tryItOut(place, pictures) {
    const page = await watchedPage(new URL(place).origin);
    await page.goto(`${place}/docs`);
    const login = await openOperation(page, "login");
    await login.locator("textarea.body-param__text").fill(JSON.stringify({ email, password }, null, 2));
    assert.equal((await execute(login)).code, 20001);
    await page.locator("#session", { hasText: /^logged in/ }).waitFor();

    const me = await openOperation(page, "me");
    const user = (await execute(me)).data;
    assert.equal(user.email, email);
    assert.equal(user.name, name);
    assert.equal(await statusOf(me), "200");
    await me.locator(".live-responses-table").getByText(`"${name}"`).waitFor();
    await screenshot(page, pictures, "swagger-ui.png", me.locator(".responses-wrapper"));

    // a refresh replaces the tokens: the page goes on working, with another token than before
    const before = await authorization(me);
    const refresh = await openOperation(page, "refresh");
    assert.equal((await execute(refresh)).code, 20001);
    assert.equal((await execute(me)).data.name, name);
    assert.notEqual(await authorization(me), before);

    const logout = await openOperation(page, "logout");
    assert.equal((await execute(logout)).code, 20001);
    await page.locator("#session", { hasText: "not logged in" }).waitFor();
    refusalsToCome = 1;
    assert.equal((await execute(me)).message, "Unauthenticated.");
    assert.equal(await statusOf(me), "401");
    assert.equal(await authorization(me), undefined);

    await authorizeByDialog(page, me);
    await page.close();
}

/** The Authorize dialog takes a token that came from elsewhere. */
async function authorizeByDialog(page, me) {
    const response = await fetch(`${baseUrl}/api/auth/login`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ email, password }),
    });
    const { data } = await response.json();
    await page.locator(".auth-wrapper > .authorize").click();
    const dialog = page.locator(".dialog-ux");
    const form = dialog.locator(".auth-container", { hasText: "accessToken" });
    await form.locator("input").fill(data.access_token);
    await form.locator("button.authorize").click();
    await dialog.locator(".btn-done").first().click();
    assert.equal((await execute(me)).data.name, name);
}

async function openOperation(page, operationId) {
    const block = page.locator(`[id$="-${operationId}"].opblock`);
    await block.locator(".opblock-summary-control").click();
    await block.locator("button.execute").waitFor();
    return block;
}

/** Press "Execute", and read the answer off the page. */
async function execute(block) {
    const answered = block.page().waitForResponse((response) => response.url().includes("/api/"));
    await block.locator("button.execute").click();
    const response = await answered;
    await block.locator(".loading-container").waitFor({ state: "detached" });
    await block.locator(".live-responses-table .response-col_status", { hasText: String(response.status()) }).waitFor();
    return JSON.parse(await block.locator(".live-responses-table .highlight-code code").first().innerText());
}

async function statusOf(block) {
    return (await block.locator(".live-responses-table .response td.response-col_status").innerText()).slice(0, 3);
}

async function authorization(block) {
    return /Authorization: Bearer (\S+?)'/.exec(await block.locator(".curl").innerText())?.[1];
}

/** ReDoc: every operation with its languages and its answers. */
async function readTheReference() {
    const page = await watchedPage(new URL(baseUrl).origin);
    await page.goto(`${baseUrl}/redoc`);
    const description = await (await fetch(`${baseUrl}/openapi.json`)).json();
    for (const operations of Object.values(description.paths)) {
        for (const { operationId, responses } of Object.values(operations)) {
            const section = page.locator(`[id="operation/${operationId}"]`);
            await section.waitFor({ state: "attached" });
            await section.scrollIntoViewIfNeeded();
            const tabs = await section.locator("[role=tab]").allInnerTexts();
            const withBody = Object.keys(responses).filter((status) => responses[status].$ref || responses[status].content);
            for (const tab of ["bash", "JavaScript", "Python", "PHP", ...withBody]) {
                assert.ok(tabs.includes(tab), `${operationId} has no tab ${tab}: ${tabs}`);
            }
        }
    }
    const login = page.locator('[id="operation/login"]');
    await login.getByRole("tab", { name: "JavaScript" }).click();
    await screenshot(page, folder, "redoc.png", login);
    const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.locator("nav").getByRole("link", { name: "Get Postman Collection" }).click(),
    ]);
    assert.equal(download.suggestedFilename(), "wutang-auth.postman_collection.json");
    await page.close();
}

/** With every other host out of reach, the pages are as before. */
async function closeTheNetwork() {
    const { origin } = new URL(baseUrl);
    const page = await watchedPage(origin);
    await page.route("**", (route) => (route.request().url().startsWith(`${origin}/`) ? route.continue() : route.abort()));
    await page.goto(`${baseUrl}/docs`);
    await page.locator('.opblock[id$="-login"]').waitFor();
    await page.goto(`${baseUrl}/redoc`);
    await page.locator('[id="operation/login"]').waitFor();
    await page.close();
}

/** What a browser makes of the domain that somebody types is the same account, and so is what was typed. */
async function typeAnAddressBeyondAscii() {
    const typed = "info@münchen.example";
    const sent = "info@xn--mnchen-3ya.example";
    const secret = "seven small violet umbrellas";
    const { data } = await (await post("/api/auth/login", { email, password })).json();
    assert.equal((await post("/api/users", { email: typed, password: secret }, data.access_token)).status, 201);

    const page = await watchedPage(new URL(baseUrl).origin);
    await page.goto(`${baseUrl}/docs`);
    await page.evaluate(() => {
        const form = document.createElement("form");
        for (const type of ["email", "password"]) form.append(Object.assign(document.createElement("input"), { type, name: type }));
        document.body.replaceChildren(form);
    });
    for (const [type, text] of [["email", typed], ["password", secret]]) {
        await page.locator(`input[type=${type}]`).click();
        await page.keyboard.insertText(text);
    }
    const [body, status] = await page.evaluate(async () => {
        const form = new URLSearchParams(new FormData(document.querySelector("form")));
        return [form.get("email"), (await fetch("/api/auth/login", { method: "POST", body: form })).status];
    });
    assert.equal(body, sent);
    assert.equal(status, 200);
    assert.equal((await post("/api/auth/login", { email: typed, password: secret })).status, 200);
    await page.close();
}

function post(path, body, token) {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    return fetch(`${baseUrl}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
}

/** A page of another origin, which the service was told of: it sends headers that libraries add, and reads refusals. */
async function fromTheShopsOwnPage() {
    const shop = http.createServer((_, response) => response.end("<!doctype html><title>shop</title>"));
    await new Promise((resolve) => shop.listen(Number(process.env.SHOP_PORT), "127.0.0.1", resolve));
    const context = await browser.newContext();
    try {
        const page = await context.newPage();
        await page.goto(`http://localhost:${process.env.SHOP_PORT}/`);
        const seen = await page.evaluate(
            async ([base, credentials]) => {
                const call = async (body, headers) => {
                    const init = { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body };
                    const response = await fetch(`${base}/api/auth/login`, init);
                    const { code } = await response.json();
                    return [response.status, code, response.headers.get("X-Request-ID") !== null];
                };
                const added = { "X-Requested-With": "XMLHttpRequest", "X-CSRF-TOKEN": "x", traceparent: "00-1-2-01" };
                return [
                    await call(" ".repeat(20_000)),
                    await call(" ".repeat(900_000)),
                    await call(credentials, { ...added, "Cache-Control": "no-cache", "Idempotency-Key": "1" }),
                    await call("{", { "X-Long": "x".repeat(20_000) }),
                ];
            },
            [baseUrl, JSON.stringify({ email, password })],
        );
        assert.deepEqual(seen, [[413, 10001, true], [413, 10001, true], [200, 20001, true], [431, 10001, true]]);
    } finally {
        await context.close();
        shop.close();
    }
}

/** The same under a path that a gateway takes away before it forwards, and of which the service was told nothing. */
async function behindAGateway(visit) {
    const gateway = http.createServer((request, response) => {
        const { hostname, port } = new URL(baseUrl);
        const path = request.url.startsWith("/sso/") ? request.url.slice("/sso".length) : "/not-behind-the-prefix";
        const { method, headers } = request;
        const forwarded = http.request({ hostname, port, path, method, headers }, (answer) => {
            response.writeHead(answer.statusCode, answer.headers);
            answer.pipe(response);
        });
        request.pipe(forwarded);
    });
    await new Promise((resolve) => gateway.listen(0, "127.0.0.1", resolve));
    try {
        await visit(`http://127.0.0.1:${gateway.address().port}/sso`);
    } finally {
        gateway.closeAllConnections();
        gateway.close();
    }
}

/** What one sees with the element at the top, under the bar. */
async function screenshot(page, pictures, file, element) {
    if (pictures === undefined) return;
    const bar = await page.locator("nav").boundingBox();
    await element.evaluate((node, height) => window.scrollBy(0, node.getBoundingClientRect().top - height), bar.height);
    await page.waitForTimeout(800); // until the page's own movements have ended
    await page.screenshot({ path: `${pictures}/${file}` });
}
