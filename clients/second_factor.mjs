// The second factor at /account, as account.mjs visits it: set up, log in by code and by recovery code, turn off.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const WORDS = {
    zh: {
        title: "两步验证", setUp: "启用两步验证", turnOn: "验证并启用", code: "验证码", wrong: "验证码不正确", copy: "复制", copied: "已复制", download: "下载", kept: "我已妥善保存", isOn: "两步验证已启用。",
        usePhone: "使用验证器应用的验证码", useRecovery: "手机不在身边", recoveryCode: "恢复代码", newCode: "新的恢复代码", newCodes: "更换恢复代码",
        gone: "手机丢失或更换", turnOff: "关闭两步验证", isOff: "两步验证已关闭。", password: "当前密码", goOn: "继续", cancel: "取消",
    },
    en: {
        title: "Two-step login", setUp: "Set it up", turnOn: "Turn it on", code: "Code", wrong: "The code is wrong", copy: "Copy", copied: "Copied", download: "Download",
        kept: "I have kept this safe", isOn: "Two-step login is on.", usePhone: "Use a code of the app", useRecovery: "Is the phone gone?", recoveryCode: "Recovery code",
        newCode: "A new recovery code", newCodes: "New recovery codes", gone: "What if the phone is gone", turnOff: "Turn it off",
        isOff: "Two-step login is off.", password: "Current password", goOn: "Continue", cancel: "Cancel",
    },
};
const STEP_SECONDS = 30;
export const FRESH_SECONDS = 20; // of the service; then it asks for password and code once more

/** An authenticator app: the codes of RFC 6238, each of a later step than the one before. */
class App {
    #key;
    #last = 0;

    constructor(secret) {
        const bits = [...secret.replaceAll(" ", "")].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
        this.#key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
    }

    #of(step) {
        const counter = Buffer.alloc(8);
        counter.writeBigUInt64BE(BigInt(step));
        const digest = createHmac("sha1", this.#key).update(counter).digest();
        return String((digest.readUInt32BE(digest.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
    }

    /** A code that was not used; the service takes that of the next step, too. */
    async next() {
        const now = () => Math.floor(Date.now() / 1000 / STEP_SECONDS);
        while (this.#last > now()) await sleep(500);
        this.#last = Math.max(this.#last + 1, now());
        return this.#of(this.#last);
    }

    lastOne() {
        return this.#of(this.#last);
    }
}

/** `visit` is what account.mjs does: open a context, log in with a password, take a picture. */
export async function secondFactor({ base, language, texts, email, password, visit }) {
    const words = WORDS[language];
    const context = await visit.context(language);
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await context.newPage();
    const button = (name, exact = false) => page.getByRole("button", { name, exact });
    const picture = (name) => visit.picture(page, `${language}-${name}`);
    const enterPassword = async () => {
        await page.getByLabel(texts.email).fill(email);
        await page.getByLabel(texts.password, { exact: true }).fill(password);
        await page.keyboard.press("Enter");
    };
    const logOut = async () => {
        await button(texts.logOut, true).click();
        await page.getByRole("heading", { name: texts.logIn, exact: true }).waitFor();
    };
    const section = page.locator("section", { has: page.getByRole("heading", { name: words.title }) });
    const codesShown = () => page.locator(".codes code").allInnerTexts();

    await page.goto(`${base}/account`);
    await enterPassword();
    await button(words.setUp).click();
    const code = page.getByLabel(words.code, { exact: true });
    await code.waitFor();
    const app = new App(await page.locator(".secret").innerText());
    assert.equal(await page.locator("svg.qr path").count(), 2);
    assert.match(await page.getByRole("link", { name: /open|打开/i }).getAttribute("href"), /^otpauth:\/\/totp\//);
    await picture("9-set-up");
    await code.fill("000 000");
    await page.keyboard.press("Enter");
    await page.getByText(words.wrong).waitFor();
    const first = await app.next();
    await code.fill(`${first.slice(0, 3)} ${first.slice(3)}`);
    await page.keyboard.press("Enter");
    await button(words.kept).waitFor();
    const codes = await codesShown();
    assert.equal(new Set(codes).size, 8);
    await button(words.copy).click();
    await page.locator("[role=status]", { hasText: words.copied }).waitFor();
    // of this visit or the other one: they share the clipboard
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^([0-9A-Z]{5}(-[0-9A-Z]{5}){4}(\n|$)){8}$/);
    const [download] = await Promise.all([page.waitForEvent("download"), button(words.download).click()]);
    const saved = readFileSync(await download.path(), "utf8");
    assert.ok(codes.every((one) => saved.includes(one)), saved);
    await picture("10-recovery-codes");
    await page.emulateMedia({ media: "print" });
    await picture("11-printed");
    await page.emulateMedia({ media: null });
    await button(words.kept).click();
    await page.getByText(words.isOn).waitFor();
    await page.getByText(words.gone).click();
    await picture("12-is-on");

    await logOut();
    await enterPassword();
    await code.waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.autocomplete), "one-time-code");
    await code.fill(app.lastOne()); // which was used to turn it on
    await page.keyboard.press("Enter");
    await page.getByText(words.wrong).waitFor();
    await picture("13-second-step");
    await code.fill(await app.next());
    await page.keyboard.press("Enter");
    await button(words.turnOff).waitFor();

    await logOut();
    await enterPassword();
    await button(words.useRecovery).click();
    const recovery = page.getByLabel(words.recoveryCode, { exact: true });
    await recovery.waitFor();
    await picture("14-recovery-code");
    await button(words.usePhone).click(); // and back
    await code.waitFor();
    await button(words.useRecovery).click();
    await recovery.fill(codes[3].toLowerCase().replaceAll("-", " "));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: words.newCode }).waitFor();
    const [replacement] = await codesShown();
    assert.ok(!codes.includes(replacement));
    await picture("15-replaced");
    await button(words.kept).click();
    await page.getByRole("heading", { name: words.newCode }).waitFor({ state: "detached" });

    await sleep(FRESH_SECONDS * 1000);
    await button(words.newCodes).click();
    await section.getByLabel(words.password).waitFor();
    await button(words.cancel).click(); // asked, and thought better of it
    await button(words.newCodes).click();
    await section.getByLabel(words.password).fill(password);
    await section.getByLabel(words.code).fill(await app.next());
    await picture("16-proof");
    await button(words.goOn).click();
    await button(words.kept).waitFor();
    const renewed = await codesShown();
    assert.equal(renewed.filter((one) => [...codes, replacement].includes(one)).length, 0);
    await button(words.kept).click();
    await button(words.turnOff).click();
    await picture("17-turn-off");
    await button(words.turnOff).click();
    await page.getByText(words.isOff).waitFor();
    await logOut();
    await enterPassword();
    await button(texts.logOut, true).waitFor(); // by the password alone
    await logOut();
    await context.close();
}
