"use strict";

// The base URL that the examples in the document are written for; it is no real place.
const EXAMPLE_BASE = "http://127.0.0.1:8000";

/**
 * Loads the OpenAPI document and makes it speak of the place that this page came from. Only the browser knows that place
 * for certain: a gateway may have changed host, scheme and path on the way to the service.
 */
async function loadDocument() {
    const base = new URL(".", location.href).href.replace(/\/$/, "");
    const response = await fetch(`${base}/openapi.json`);
    if (!response.ok) throw new Error(`openapi.json: HTTP ${response.status}`);
    const text = (await response.text()).replaceAll(EXAMPLE_BASE, base);
    return { ...JSON.parse(text), servers: [{ url: base }] };
}
