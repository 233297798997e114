// The token stays in this page's memory: nothing is stored in the browser.
if (typeof SwaggerUIBundle === "undefined") document.getElementById("missing").hidden = false;
else SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  syntaxHighlight: { theme: "nord" },
});
