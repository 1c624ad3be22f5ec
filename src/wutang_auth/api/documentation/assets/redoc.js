"use strict";

// The reference: a section for each route, its examples in every language beside it.
(async () => {
    const options = {
        disableSearch: true, // it runs in a worker made from a blob, which this page's policy does not allow
        hideDownloadButton: true, // the bar above the page has it
        requiredPropsFirst: true,
        expandResponses: "200,201",
        scrollYOffset: "nav",
        generatedPayloadSamplesMaxDepth: 4,
        theme: { colors: { primary: { main: "#8a5a00" } } },
    };
    Redoc.init(await loadDocument(), options, document.getElementById("reference"));
})();
