/**
 * The session of this browser, which all its tabs share. The refresh token is in a cookie that no script can read; the
 * access token is in the memory of each tab. One tab at a time renews it (`navigator.locks`) and hands it to the others
 * (`BroadcastChannel`), since a refresh ends the access token that was in use before.
 */

import { call } from "./api.js";

const SHARED = `wutang-auth ${location.pathname}`; // one name for each service that this origin has
const EXPIRES_SOON_MS = 1_000;

const channel = new BroadcastChannel(SHARED);
const watchers = new Set();
let current = null; // {token, expiresAt}

channel.addEventListener("message", ({ data }) => take(data));

/** Calls `watcher(isLoggedIn)` whenever somebody logs in or out, in whichever tab. */
export function watch(watcher) {
    watchers.add(watcher);
}

export function isLoggedIn() {
    return current !== null;
}

/** Whether this browser has a session, which is looked up if it had one before. */
export async function restore() {
    if (current === null && localStorage.getItem(SHARED)) await renew(null);
    return isLoggedIn();
}

export async function logIn(email, password) {
    const body = { email, password, refresh: "cookie" };
    return inTurn(async () => taken(await call("POST", "api/auth/login", { body, cookie: true })));
}

/** The second step, where the first was answered with a challenge; `proof` is `{code}` or `{recovery_code}`. */
export async function logInSecond(challenge, proof) {
    const body = { challenge, ...proof, refresh: "cookie" };
    return inTurn(async () => taken(await call("POST", "api/auth/login/second", { body, cookie: true })));
}

/** A call with the access token, which is renewed before and after where that is needed. */
export async function request(method, path, body = null) {
    const isOld = current === null || current.expiresAt - Date.now() < EXPIRES_SOON_MS;
    const refusal = isOld ? await renew(current?.token ?? null) : null;
    if (refusal !== null) return refusal;
    const { token } = current;
    const answer = await call(method, path, { body, token });
    if (answer.status !== 401) return answer;
    return (await renew(token)) ?? call(method, path, { body, token: current.token });
}

export async function logOut(everywhere) {
    const path = `api/auth/logout?everywhere=${everywhere}`;
    return inTurn(async () => {
        const answer = await call("DELETE", path, { cookie: true });
        if (answer.ok || answer.status === 401) share(null); // 401: it was over already
        return answer;
    });
}

/** Forget the session, which the service has ended. */
export function forget() {
    share(null);
}

/** The next access token; null, or the answer that refused it. Nothing happens if another tab has got one meanwhile. */
function renew(used) {
    return inTurn(async () => {
        await new Promise((resolve) => setTimeout(resolve)); // what another tab has just shared arrives first
        if (current !== null && current.token !== used) return null;
        const answer = taken(await call("PUT", "api/auth/refresh", { cookie: true }));
        if (answer.status === 401) share(null);
        return answer.ok ? null : answer;
    });
}

function taken(answer) {
    if (answer.ok) share({ token: answer.data.access_token, expiresAt: Date.now() + answer.data.expires_in * 1000 });
    return answer;
}

function share(found) {
    if (found === null) localStorage.removeItem(SHARED);
    else localStorage.setItem(SHARED, "logged in"); // that there is a cookie, which cannot be seen
    channel.postMessage(found);
    take(found);
}

function take(found) {
    const before = isLoggedIn();
    current = found;
    if (isLoggedIn() !== before) watchers.forEach((watcher) => watcher(isLoggedIn()));
}

function inTurn(work) {
    return navigator.locks.request(SHARED, work);
}
