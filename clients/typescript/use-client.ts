// What a user of the generated types writes: log in, ask who one is, refresh, log out, be refused.

import createClient from "openapi-fetch";
import type { components, paths } from "../generated/api.js";

type TokenPair = components["schemas"]["TokenPairBody"];

const [baseUrl, email, password] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl });
const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });

function check(isAsExpected: boolean, what: string): asserts isAsExpected {
    if (!isAsExpected) throw new Error(what);
}

async function who(token: string): Promise<components["schemas"]["UserBody"]> {
    const { data, error } = await client.GET("/api/auth/me", bearer(token));
    if (error) throw new Error(`${error.code} ${error.message}`);
    return data.data;
}

const login = await client.POST("/api/auth/login", { body: { email, password } });
check(login.data?.code === 20001, "login");
const first: TokenPair = login.data.data;
const user = await who(first.access_token);
check(user.email === email, "me");

// null only where the login asked for a cookie
check(first.refresh_token !== null, "a refresh token");
const refresh = await client.PUT("/api/auth/refresh", bearer(first.refresh_token));
check(refresh.data !== undefined, "refresh");
const second: TokenPair = refresh.data.data;
check((await who(second.access_token)).id === user.id, "me after the refresh");

const logout = await client.DELETE("/api/auth/logout", bearer(second.access_token));
check(logout.data?.code === 20001, "logout");
const refused = await client.GET("/api/auth/me", bearer(second.access_token));
check(refused.response.status === 401 && refused.error?.code === 40001, "me after the log-out");

// What the document does not allow, the compiler does not either.
// @ts-expect-error -- the password is missing
const incomplete: components["schemas"]["LoginBody"] = { email };
// @ts-expect-error -- no such route
type NoSuchRoute = paths["/api/auth/impersonate"];
void incomplete;

console.log(`openapi-typescript and openapi-fetch: ${user.name} came, stayed and went`);
