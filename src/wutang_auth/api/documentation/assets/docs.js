"use strict";

/**
 * Swagger UI, with its authorisation kept in step with what is done on the page: who executes `login` is logged in, who
 * executes `logout` is logged out. The tokens live in this page's memory only, and are gone when it is closed.
 */
(async () => {
    const description = await loadDocument();
    const base = new URL(description.servers[0].url).pathname.replace(/\/$/, "");
    const status = document.getElementById("session");

    /** Where an operation is: operation ids are part of the contract, paths are looked up. */
    const pathOf = (operationId) =>
        base +
        Object.keys(description.paths).find((path) =>
            Object.values(description.paths[path]).some((operation) => operation.operationId === operationId),
        );
    const givesTokens = [pathOf("login"), pathOf("refresh")];
    const takesTokens = pathOf("logout");

    // what the answers and tokens are is told by the reference; here one wants the operations
    description.info.description = description.info.description.split("\n## ")[0];

    const ui = SwaggerUIBundle({
        spec: description,
        dom_id: "#docs",
        deepLinking: true,
        displayRequestDuration: true,
        tryItOutEnabled: true,
        defaultModelsExpandDepth: 0,
        validatorUrl: null, // it would send the document to another host
        responseInterceptor(response) {
            // Swagger UI shows what is returned here; nothing that goes wrong with the tokens may hide it
            try {
                follow(response);
            } catch (error) {
                console.warn(error);
            }
            return response;
        },
    });

    function follow(response) {
        const path = new URL(response.url, location.href).pathname;
        if (response.status !== 200) return;
        if (givesTokens.includes(path)) {
            const { access_token, refresh_token } = JSON.parse(response.text).data;
            ui.preauthorizeApiKey("accessToken", access_token);
            ui.preauthorizeApiKey("refreshToken", refresh_token);
            status.textContent = "logged in: requests carry the token";
        } else if (path === takesTokens) {
            ui.authActions.logout(["accessToken", "refreshToken"]);
            status.textContent = "not logged in";
        }
    }
})();
