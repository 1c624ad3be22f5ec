// What a user of openapi-generator's axios client writes: log in, ask who one is, refresh, log out, be refused.

import { isAxiosError } from "axios";
import { AuthApi, Configuration } from "../generated/typescript-axios/index.js";

const [basePath, email, password] = process.argv.slice(2) as [string, string, string];
const api = (accessToken?: string) => new AuthApi(new Configuration({ basePath, accessToken }));

function check(isAsExpected: boolean, what: string): asserts isAsExpected {
    if (!isAsExpected) throw new Error(what);
}

const first = (await api().login({ email, password })).data.data;
const user = (await api(first.access_token).me()).data.data;
check(user.email === email, "me");
// null only where the login asked for a cookie
check(first.refresh_token !== null, "a refresh token");
const second = (await api(first.refresh_token!).refresh()).data.data;
const ended = (await api(second.access_token).logout()).data;
check(ended.code === 20001 && ended.data === null, "logout");
try {
    await api(second.access_token).me();
    check(false, "the token still works");
} catch (error) {
    check(isAxiosError(error) && error.response?.status === 401, "me after the log-out");
}
console.log(`openapi-generator, typescript-axios: ${user.name} came, stayed and went`);
