/** Calls of the service's API, which lies beside this page: paths are relative, so that a gateway's prefix holds. */

import { language } from "./texts.js";

const TIMEOUT_MS = 30_000;

/**
 * One call. Its answer, also where none came (`status` 0):
 * `{ok, status, code, message, data, errors: [{field, message}], retryAfter: seconds or null}`.
 */
export async function call(method, path, { body = null, token = null, cookie = false } = {}) {
    const headers = { "Accept-Language": language() };
    if (body !== null) headers["Content-Type"] = "application/json";
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    try {
        const response = await fetch(path, {
            method,
            headers,
            body: body === null ? null : JSON.stringify(body),
            credentials: cookie ? "same-origin" : "omit",
            cache: "no-store",
            signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        const { code, message, data, errors = [] } = await response.json();
        const retryAfter = Number(response.headers.get("Retry-After")) || null;
        return { ok: response.ok, status: response.status, code, message, data, errors, retryAfter };
    } catch {
        return { ok: false, status: 0, code: null, message: "", data: null, errors: [], retryAfter: null };
    }
}
