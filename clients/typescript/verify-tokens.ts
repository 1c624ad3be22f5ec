// What a service that trusts this one does: verify an access token by the published keys.

import { createRemoteJWKSet, jwtVerify } from "jose";

const [baseUrl, email, password] = process.argv.slice(2) as [string, string, string];

const response = await fetch(`${baseUrl}/api/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email, password }),
});
const { data } = (await response.json()) as { data: { access_token: string } };

const keys = createRemoteJWKSet(new URL(`${baseUrl}/.well-known/jwks.json`));
const { payload } = await jwtVerify(data.access_token, keys, {
    issuer: "wutang-auth",
    audience: "wutang",
    typ: "at+jwt",
    algorithms: ["ES256"],
});
console.log(`jose: the token is user ${payload.sub}'s`);
